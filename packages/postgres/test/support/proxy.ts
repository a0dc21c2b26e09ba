// A TCP link that can be cut in the ways that networks are: silently, loudly, or right after a request.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Answers are swallowed, then the link breaks. */
  isDoomed: boolean;
}

export class Proxy {
  /** The database's URL by way of this proxy. */
  readonly url: string;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #isBlackHole = false;
  #isDead = false;
  #doom: RegExp | undefined;
  #lost: RegExp | undefined;
  #spoiled: { readonly part: string; readonly replacement: string } | undefined;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async open(target: string): Promise<Proxy> {
    const { hostname, port } = new URL(target);
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    const proxy = new Proxy(server, url.href);
    server.on('connection', (client) => {
      proxy.#accept(client, hostname, Number(port));
    });
    return proxy;
  }

  /** Swallows everything, in both directions, and tells nobody. */
  blackHole(): void {
    this.#isBlackHole = true;
    for (const { client, server } of this.#links) {
      client.pause();
      server.pause();
    }
  }

  /** What was held up arrives late, as it would. */
  heal(): void {
    this.#isBlackHole = false;
    for (const { client, server } of this.#links) {
      client.resume();
      server.resume();
    }
  }

  /** All connections break, new ones are refused, as when the process at this end had died. */
  die(): void {
    this.#isDead = true;
    this.breakLinks();
  }

  /** The process is back. */
  revive(): void {
    this.#isDead = false;
  }

  breakLinks(): void {
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
  }

  /** The next request that matches is passed on; its answer is swallowed and the connection breaks. */
  loseAnswerTo(request: RegExp): void {
    this.#doom = request;
  }

  /** The next request that matches is swallowed and the connection breaks. */
  loseRequest(request: RegExp): void {
    this.#lost = request;
  }

  /** In the next request that holds `part` its first occurrence is replaced by something of the same length. */
  spoilRequest(part: string, replacement: string): void {
    this.#spoiled = { part, replacement };
  }

  async close(): Promise<void> {
    this.breakLinks();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, host: string, port: number): void {
    if (this.#isDead) {
      client.destroy();
      return;
    }
    const server = connect(port, host);
    const link: Link = { client, server, isDoomed: false };
    this.#links.add(link);
    client.on('data', (bytes) => {
      if (this.#lost?.test(bytes.toString('latin1')) === true) {
        this.#lost = undefined;
        client.destroy();
        return;
      }
      if (this.#doom?.test(bytes.toString('latin1')) === true) {
        this.#doom = undefined;
        link.isDoomed = true;
      }
      server.write(this.#spoil(bytes));
    });
    server.on('data', (bytes) => {
      if (link.isDoomed) client.destroy();
      else client.write(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => {
        // In a black hole not even the end of a connection gets through.
        if (!this.#isBlackHole || one.destroyed === other.destroyed) other.destroy();
        this.#links.delete(link);
      });
    }
    if (!this.#isBlackHole) client.resume();
  }

  #spoil(bytes: Buffer): Buffer {
    if (this.#spoiled === undefined) return bytes;
    const { part, replacement } = this.#spoiled;
    const found = bytes.indexOf(part);
    if (found < 0) return bytes;
    this.#spoiled = undefined;
    return Buffer.concat([bytes.subarray(0, found), Buffer.from(replacement), bytes.subarray(found + part.length)]);
  }
}
