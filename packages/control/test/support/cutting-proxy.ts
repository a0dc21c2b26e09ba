// Stands before a node and breaks off its snapshots half-way.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export class CuttingProxy {
  /** Where the node is; set it before anybody comes. */
  target = 0;
  /** Snapshots that will still be broken off. */
  cuts = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((client) => {
      this.#serve(client);
    });
  }

  static async open(): Promise<CuttingProxy> {
    const proxy = new CuttingProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    const node = connect(this.target, '127.0.0.1');
    for (const socket of [client, node]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        node.destroy();
      });
    }
    let isCut = false;
    client.on('data', (data: Buffer) => {
      if (this.cuts > 0 && /^GET \/v1\/apps\/[^/]+\/snapshot /.test(data.toString('latin1'))) {
        this.cuts--;
        isCut = true;
      }
      node.write(data);
    });
    let answer = Buffer.alloc(0);
    node.on('data', (data: Buffer) => {
      if (!isCut) {
        client.write(data);
        return;
      }
      answer = Buffer.concat([answer, data]);
      const body = answer.indexOf('\r\n\r\n') + 4;
      // The head of the answer and some bytes of what it carries.
      if (body > 4 && answer.length > body + 40) client.end(answer.subarray(0, body + 40));
    });
  }
}
