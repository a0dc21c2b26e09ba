// A TCP way to a node that can be cut as networks are: silently, or with every connection refused.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class Gate {
  readonly port: number;
  /** Port on loopback that it leads to. */
  target = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: 'open' | 'silent' | 'refusing' = 'open';

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.#accept(socket);
    });
  }

  static async open(): Promise<Gate> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Gate(server);
  }

  /** Nothing goes through any more, and nobody is told. */
  silence(): void {
    this.#state = 'silent';
    for (const socket of this.#sockets) socket.pause();
  }

  /** As a firewall that rejects, or a process that is gone. */
  refuse(): void {
    this.#state = 'refusing';
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  heal(): void {
    this.#state = 'open';
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    if (this.#state === 'refusing') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.target, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('data', (bytes) => other.write(bytes));
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        // Of an end nothing is heard either while it is silent.
        if (this.#state !== 'silent') other.destroy();
      });
      if (this.#state === 'silent') one.pause();
      else one.resume();
    }
  }
}
