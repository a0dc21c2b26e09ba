// One sink: its address, its connections, and how many requests it is given at a time.
import http from 'node:http';
import https from 'node:https';
import type { Clock, LaneContext } from '@tandem/ports';
import { originOf, type HttpSinkBinding } from './configuration.ts';
import { send, type Sent } from './request.ts';
import { verdictOf, type Verdict } from './verdict.ts';

export interface ReceiverOptions {
  readonly sink: string;
  readonly binding: HttpSinkBinding;
  readonly clock: Clock;
  readonly log: LaneContext['log'];
}

export class Receiver {
  readonly sink: string;
  /** For people: the sink and the origin of its URL. */
  readonly name: string;
  readonly binding: HttpSinkBinding;
  readonly #options: ReceiverOptions;
  readonly #url: URL;
  readonly #agent: http.Agent;
  readonly #headers: readonly string[];
  readonly #underWay = new Set<Sent>();
  readonly #waiting: (() => void)[] = [];
  #free: number;
  /** Attempts in a row that were in vain, of whatever output. */
  #inVain = 0;

  constructor(options: ReceiverOptions) {
    const { sink, binding } = options;
    const { url, maxInFlight, contentType, headers } = binding;
    this.sink = sink;
    this.name = `sink '${sink}' (${originOf(url)})`;
    this.binding = binding;
    this.#options = options;
    this.#url = new URL(url);
    const pool = { keepAlive: true, maxSockets: maxInFlight, maxFreeSockets: maxInFlight };
    this.#agent = this.#url.protocol === 'https:' ? new https.Agent(pool) : new http.Agent(pool);
    this.#headers = ['Content-Type', contentType, ...Object.entries(headers).flat()];
    this.#free = maxInFlight;
  }

  /** When its turn comes, and if `isWanted` still; undefined otherwise, and then nothing was sent. */
  async deliver(headers: readonly string[], body: Uint8Array, isWanted: () => boolean): Promise<Verdict | undefined> {
    await this.#turn();
    try {
      return isWanted() ? await this.#exchange(headers, body, isWanted) : undefined;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Ends every request that has not been answered. */
  abort(cause: Error): void {
    for (const sent of this.#underWay) sent.abort(cause);
    this.#underWay.clear();
  }

  close(): void {
    this.#agent.destroy();
  }

  async #exchange(headers: readonly string[], body: Uint8Array, isWanted: () => boolean): Promise<Verdict> {
    const { clock } = this.#options;
    const { method, timeout } = this.binding;
    const sent = send(
      {
        url: this.#url,
        method,
        agent: this.#agent,
        headers: [...this.#headers, ...headers],
        body,
        connectLimit_ms: timeout.connect,
        answerLimit_ms: timeout.answer,
        mayBegin: isWanted,
      },
      clock,
    );
    this.#underWay.add(sent);
    const verdict = verdictOf(await sent.answer, clock.wall_ms());
    // What we ended ourselves says nothing about the receiver.
    if (this.#underWay.delete(sent) && isWanted()) this.#tell(verdict);
    return verdict;
  }

  async #turn(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Once when trouble begins, once when it is over. */
  #tell(verdict: Verdict): void {
    const { log } = this.#options;
    if (verdict.verdict === 'again') {
      if (!verdict.isFree && ++this.#inVain === 1)
        log('warn', `${this.name} takes no outputs: ${verdict.why}; trying again`);
    } else {
      if (this.#inVain > 0) log('info', `${this.name} takes outputs again`, { attemptsInVain: this.#inVain });
      this.#inVain = 0;
    }
  }
}
