// A ZooKeeper client that belongs to nobody, for what the tests look up and do behind the coordinator's back.
import { ACL, CreateMode, createClient, State, type Client } from 'node-zookeeper-client';

export interface Seen {
  readonly text: string;
  readonly version: number;
  readonly owner: string;
}

export class Bystander {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async connect(address: string, login?: string): Promise<Bystander> {
    const client = createClient(address, { sessionTimeout: 30_000, spinDelay: 100, retries: 0 });
    if (login !== undefined) client.addAuthInfo('digest', Buffer.from(login));
    await new Promise<void>((resolve) => {
      client.on('state', (state) => {
        if (state === State.SYNC_CONNECTED) resolve();
      });
      client.connect();
    });
    return new Bystander(client);
  }

  get owner(): string {
    return this.#client.getSessionId().toString('hex');
  }

  read(path: string): Promise<Seen> {
    return new Promise((resolve, reject) => {
      this.#client.getData(path, undefined, (error, data, stat) => {
        if (error) reject(error);
        else {
          resolve({
            text: data?.toString() ?? '',
            version: stat.version,
            owner: stat.ephemeralOwner.toString('hex'),
          });
        }
      });
    });
  }

  create(path: string, text: string, kind: 'kept' | 'ephemeral' = 'kept'): Promise<void> {
    const mode = kind === 'ephemeral' ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT;
    return settled((done) => {
      this.#client.create(path, Buffer.from(text), ACL.OPEN_ACL_UNSAFE, mode, done);
    });
  }

  write(path: string, text: string): Promise<void> {
    return settled((done) => {
      this.#client.setData(path, Buffer.from(text), -1, done);
    });
  }

  remove(path: string): Promise<void> {
    return settled((done) => {
      this.#client.remove(path, -1, done);
    });
  }

  /** Ends the session. */
  async close(): Promise<void> {
    const { socket } = this.#client.connectionManager;
    if (socket === undefined || socket.destroyed) return;
    await new Promise((resolve) => {
      socket.once('close', resolve);
      this.#client.close();
    });
  }
}

function settled(send: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    send((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
