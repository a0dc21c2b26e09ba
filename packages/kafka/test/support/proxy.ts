// A link to a broker that can also be cut around a request of a given kind.
import { TcpProxy, type ProxyLink } from '@tandem/harness';
import type { Address } from '../../src/broker-address.ts';

/** Numbers of requests in Kafka's protocol. */
export const requests = { produce: 0, fetch: 1, initProducerId: 22, addPartitionsToTxn: 24, endTxn: 26 } as const;

export class Proxy extends TcpProxy {
  /** How many requests were refused. */
  refusals = 0;
  /** Set to see every request: its number and version. */
  onRequest: (key: number, version: number) => void = () => undefined;
  /** What clients have sent and was not yet passed on. */
  readonly #pending = new WeakMap<ProxyLink, Buffer>();
  #answerLost: number | undefined;
  #lost: number | undefined;
  #refused: number | undefined;
  #held: { readonly key: number; readonly until: Promise<void>; readonly onHeld: () => void } | undefined;

  static async open({ host, port }: Address): Promise<Proxy> {
    const proxy = new Proxy(host, port);
    await proxy.listen();
    return proxy;
  }

  get address(): Address {
    return { host: '127.0.0.1', port: this.port };
  }

  /** The next request of this kind is passed on; its answer is swallowed and the connection breaks. */
  loseAnswerOf(request: number): void {
    this.#answerLost = request;
  }

  /** The next request of this kind is swallowed and the connection breaks. */
  loseKind(request: number): void {
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

  protected override fromClient(link: ProxyLink, bytes: Buffer): void {
    this.#passOn(link, Buffer.concat([this.#pending.get(link) ?? Buffer.alloc(0), bytes]));
  }

  /** Request by request: a length (4), then the request's number (2) and version (2). */
  #passOn(link: ProxyLink, sent: Buffer): void {
    let left = sent;
    this.#pending.set(link, left);
    while (left.length >= 8) {
      const length = 4 + left.readInt32BE(0);
      if (left.length < length) return;
      const key = left.readInt16BE(4);
      if (this.#held?.key === key) {
        const { until, onHeld } = this.#held;
        this.#held = undefined;
        onHeld();
        link.client.pause();
        void until.then(() => {
          this.fromClient(link, Buffer.alloc(0));
          link.client.resume();
        });
        return;
      }
      this.onRequest(key, left.readInt16BE(6));
      if (this.#refused === key) this.refusals++;
      if (this.#lost === key || this.#refused === key) {
        this.#lost = undefined;
        link.client.destroy();
        return;
      }
      if (this.#answerLost === key) {
        this.#answerLost = undefined;
        link.fate = 'swallowed';
      }
      link.server.write(left.subarray(0, length));
      left = left.subarray(length);
      this.#pending.set(link, left);
    }
  }
}
