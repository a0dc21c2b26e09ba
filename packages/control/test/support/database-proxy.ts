// Stands before PostgreSQL and ends connections on which a certain statement is sent.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export class DatabaseProxy {
  /** Connections that send it are ended; undefined: none. */
  endOn: RegExp | undefined;
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(url: string) {
    this.#target = new URL(url);
    this.#server = createServer((client) => {
      this.#serve(client);
    });
  }

  static async open(url: string): Promise<DatabaseProxy> {
    const proxy = new DatabaseProxy(url);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The database's, through here. */
  get url(): string {
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return url.href;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (data: Buffer) => {
      if (this.endOn?.test(data.toString('latin1')) === true) client.destroy();
      else server.write(data);
    });
    server.on('data', (data: Buffer) => {
      client.write(data);
    });
  }
}
