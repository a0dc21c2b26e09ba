// A TCP link that can be cut in the ways that networks are: silently, loudly, or right after a request.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** One connection through the proxy, with its two ends. */
export interface ProxyLink {
  readonly client: Socket;
  readonly server: Socket;
  /** What becomes of the next answer; unless it is passed on the link breaks. */
  fate: 'passed on' | 'swallowed' | 'torn';
}

export class TcpProxy {
  /** What becomes of answers on their way. */
  rewriteAnswers: (bytes: Buffer) => Buffer = (bytes) => bytes;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #links = new Set<ProxyLink>();
  #isBlackHole = false;
  #isDead = false;
  #refused = 0;
  #isDeafToNext = false;
  #doom: RegExp | undefined;
  #lost: RegExp | undefined;
  #torn: RegExp | undefined;
  #spoiled: { readonly part: string; readonly replacement: string } | undefined;

  protected constructor(host: string, port: number) {
    this.#target = { host, port };
    this.#server = createServer({ pauseOnConnect: true }, (client) => {
      this.#accept(client);
    });
  }

  static async to(host: string, port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(host, port);
    await proxy.listen();
    return proxy;
  }

  /** On loopback. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
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

  /** Connections that were refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /** Of the next connection nothing is ever passed on, and nobody is told; the ones after it are as usual. */
  ignoreNextLink(): void {
    this.#isDeafToNext = true;
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

  /** The answer to the next request that matches is passed on but for its last bytes, and the connection breaks. */
  tearAnswerTo(request: RegExp): void {
    this.#torn = request;
  }

  async close(): Promise<void> {
    this.breakLinks();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  protected async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  #accept(client: Socket): void {
    if (this.#isDead) {
      this.#refused += 1;
      client.destroy();
      return;
    }
    const isIgnored = this.#isDeafToNext;
    this.#isDeafToNext = false;
    const server = connect(this.#target.port, this.#target.host);
    const link: ProxyLink = { client, server, fate: 'passed on' };
    this.#links.add(link);
    client.on('data', (bytes) => {
      if (!isIgnored) this.fromClient(link, bytes);
    });
    server.on('data', (bytes) => {
      if (link.fate === 'passed on') client.write(this.rewriteAnswers(bytes));
      else if (link.fate === 'swallowed') client.destroy();
      else client.end(bytes.subarray(0, -3));
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => {
        // In a black hole not even the end of a connection gets through.
        if (!this.#isBlackHole || one.destroyed === other.destroyed) other.destroy();
        if (other.destroyed) this.#links.delete(link);
      });
    }
    if (!this.#isBlackHole) client.resume();
  }

  /** What becomes of bytes that a client sent; a proxy that knows requests one by one has its own way. */
  protected fromClient(link: ProxyLink, bytes: Buffer): void {
    const text = bytes.toString('latin1');
    if (this.#lost?.test(text) === true) {
      this.#lost = undefined;
      link.client.destroy();
      return;
    }
    if (this.#doom?.test(text) === true) {
      this.#doom = undefined;
      link.fate = 'swallowed';
    }
    if (this.#torn?.test(text) === true) {
      this.#torn = undefined;
      link.fate = 'torn';
    }
    link.server.write(this.#spoil(bytes));
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
