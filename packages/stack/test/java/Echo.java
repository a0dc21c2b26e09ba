class Echo {
  public static void main(String[] args) throws Exception {
    System.out.print(args[0] + " " + new String(System.in.readAllBytes()));
    System.err.print("and so on");
    System.exit(3);
  }
}
