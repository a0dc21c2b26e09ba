import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** Znodes &lt;address&gt; create &lt;path&gt; &lt;data&gt; | read &lt;path&gt;; then the session time-out that was negotiated. */
class Znodes {
  public static void main(String[] args) throws Exception {
    CountDownLatch connected = new CountDownLatch(1);
    try (ZooKeeper client = new ZooKeeper(args[0], 300, (WatchedEvent event) -> connected.countDown())) {
      connected.await();
      if (args[1].equals("create")) {
        client.create(args[2], args[3].getBytes(StandardCharsets.UTF_8), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
      }
      String data = new String(client.getData(args[2], false, null), StandardCharsets.UTF_8);
      System.out.println(data + " " + client.getSessionTimeout());
    }
  }
}
