// A TCP link to a broker that can be cut in the ways that networks are: loudly, or around a request of a given kind.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Address } from '../../src/broker-address.ts';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client sent last and was not yet passed on. */
  pending: Buffer;
  /** Answers are swallowed, then the link breaks. */
  isDoomed: boolean;
}

/** Numbers of requests in Kafka's protocol. */
export const requests = { produce: 0, fetch: 1, initProducerId: 22, addPartitionsToTxn: 24, endTxn: 26 } as const;

export class Proxy {
  readonly address: Address;
  /** How many requests were refused. */
  refusals = 0;
  /** Set to see every request: its number and version. */
  onRequest: (key: number, version: number) => void = () => undefined;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #isDead = false;
  #doomed: number | undefined;
  #lost: number | undefined;
  #refused: number | undefined;
  #held: { readonly key: number; readonly until: Promise<void>; readonly onHeld: () => void } | undefined;

  private constructor(server: Server, address: Address) {
    this.#server = server;
    this.address = address;
  }

  static async open(target: Address): Promise<Proxy> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const proxy = new Proxy(server, { host: '127.0.0.1', port });
    server.on('connection', (client) => {
      proxy.#accept(client, target);
    });
    return proxy;
  }

  /** All connections break, new ones are refused, as when the process at this end had died. */
  die(): void {
    this.#isDead = true;
    this.breakLinks();
  }

  revive(): void {
    this.#isDead = false;
  }

  breakLinks(): void {
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
  }

  /** The next request of this kind is passed on; its answer is swallowed and the connection breaks. */
  loseAnswerTo(request: number): void {
    this.#doomed = request;
  }

  /** The next request of this kind is swallowed and the connection breaks. */
  loseRequest(request: number): void {
    this.#lost = request;
  }

  /** Every request of this kind is swallowed and breaks its connection, until none is refused any more. */
  refuse(request: number | undefined): void {
    this.#refused = request;
  }

  /** The next request of this kind, and what comes after it, is passed on only then. */
  holdRequest(request: number, until: Promise<void>, onHeld: () => void = () => undefined): void {
    this.#held = { key: request, until, onHeld };
  }

  async close(): Promise<void> {
    this.breakLinks();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, target: Address): void {
    if (this.#isDead) {
      client.destroy();
      return;
    }
    const server = connect(target.port, target.host);
    const link: Link = { client, server, pending: Buffer.alloc(0), isDoomed: false };
    this.#links.add(link);
    client.on('data', (bytes) => {
      link.pending = Buffer.concat([link.pending, bytes]);
      this.#passOn(link);
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
        other.destroy();
        this.#links.delete(link);
      });
    }
    client.resume();
  }

  /** Request by request: a length (4), then the request's number (2) and version (2). */
  #passOn(link: Link): void {
    while (link.pending.length >= 8) {
      const length = 4 + link.pending.readInt32BE(0);
      if (link.pending.length < length) return;
      const key = link.pending.readInt16BE(4);
      if (this.#held?.key === key) {
        const { until, onHeld } = this.#held;
        this.#held = undefined;
        onHeld();
        link.client.pause();
        void until.then(() => {
          this.#passOn(link);
          link.client.resume();
        });
        return;
      }
      this.onRequest(key, link.pending.readInt16BE(6));
      if (this.#refused === key) this.refusals++;
      if (this.#lost === key || this.#refused === key) {
        this.#lost = undefined;
        link.client.destroy();
        return;
      }
      if (this.#doomed === key) {
        this.#doomed = undefined;
        link.isDoomed = true;
      }
      link.server.write(link.pending.subarray(0, length));
      link.pending = link.pending.subarray(length);
    }
  }
}
