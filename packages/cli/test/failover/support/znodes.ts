// Looks at what ZooKeeper holds, as zkCli would.
import zookeeper from 'node-zookeeper-client';

export class Znodes {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  /**
   * Its data as text; undefined where there is none. By a client of its own: the library's is of no use any more once
   * its server has been away for longer than its session.
   */
  async read(path: string): Promise<string | undefined> {
    const client = zookeeper.createClient(this.#address, { sessionTimeout: 10_000, spinDelay: 100, retries: 3 });
    await new Promise<void>((resolve) => {
      client.once('connected', resolve);
      client.connect();
    });
    try {
      return await new Promise((resolve, reject) => {
        client.getData(path, undefined, (error, data) => {
          if (error === null || error === undefined) resolve(data?.toString('utf8'));
          else if (error instanceof zookeeper.Exception && error.code === zookeeper.Exception.NO_NODE)
            resolve(undefined);
          else reject(error);
        });
      });
    } finally {
      await new Promise<void>((resolve) => {
        client.once('disconnected', resolve);
        client.close();
      });
    }
  }
}
