// Looks at what ZooKeeper holds, as zkCli would.
import zookeeper from 'node-zookeeper-client';

export class Znodes {
  readonly #client: zookeeper.Client;

  private constructor(client: zookeeper.Client) {
    this.#client = client;
  }

  static async open(address: string): Promise<Znodes> {
    // Longer than a test keeps its server away: the library's client is of no use once its session has expired.
    const client = zookeeper.createClient(address, { sessionTimeout: 60_000, spinDelay: 100, retries: 3 });
    await new Promise<void>((resolve) => {
      client.once('connected', resolve);
      client.connect();
    });
    return new Znodes(client);
  }

  /** Its data as text; undefined where there is none. */
  async read(path: string): Promise<string | undefined> {
    return await new Promise((resolve, reject) => {
      this.#client.getData(path, undefined, (error, data) => {
        if (error === null || error === undefined) resolve(data?.toString('utf8'));
        else if (error instanceof zookeeper.Exception && error.code === zookeeper.Exception.NO_NODE) resolve(undefined);
        else reject(error);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#client.once('disconnected', () => {
        resolve();
      });
      this.#client.close();
    });
  }
}
