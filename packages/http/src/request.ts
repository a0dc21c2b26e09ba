// One request and its answer, with a limit on everything. Never throws, never follows a redirect.
import http from 'node:http';
import https from 'node:https';
import { toError, type Clock, type Timer } from '@tandem/ports';

export interface Exchange {
  readonly url: URL;
  readonly method: string;
  readonly agent: http.Agent;
  /** Flat name, value, name, value, ... */
  readonly headers: readonly string[];
  /** Not to be changed before the answer is there. */
  readonly body: Uint8Array;
  readonly connectLimit_ms: number;
  readonly answerLimit_ms: number;
  /** Asked once more when there is a connection, right before the first byte is written. */
  mayBegin(): boolean;
}

export type Answer =
  | {
      readonly type: 'answered';
      readonly status: number;
      readonly retryAfter: string | undefined;
      readonly location: string | undefined;
    }
  /** It may have arrived all the same. `wasIdle`: the connection was an old one, and most likely closed by the other side. */
  | { readonly type: 'failed'; readonly cause: Error; readonly wasIdle: boolean };

export interface Sent {
  readonly answer: Promise<Answer>;
  /** Ends the connection at once. */
  abort(cause: Error): void;
}

/** Bodies of answers are read up to this, so that the connection can be used again, and thrown away. */
const answerBody_bytes = 64 * 1024;

export function send(exchange: Exchange, clock: Clock): Sent {
  const { url, method, agent, headers, body } = exchange;
  const { request: prepare } = url.protocol === 'https:' ? https : http;
  const request = prepare(url, { method, agent });
  const answer = new Promise<Answer>((resolve) => {
    const limits = new Limits(request, exchange, clock);
    // Once it is known, whatever becomes of its body does not change it.
    let answered: Answer | undefined;
    const finish = (given: Answer): void => {
      limits.cancel();
      resolve(answered ?? given);
    };
    request.on('error', (error) => {
      finish({ type: 'failed', cause: limits.exceeded ?? toError(error), wasIdle: request.reusedSocket });
    });
    // Nobody asked for another protocol; without a listener the connection is closed without a word.
    request.on('upgrade', (_, socket) => {
      socket.destroy();
      finish({ type: 'failed', cause: new Error('it switched to another protocol'), wasIdle: false });
    });
    request.on('response', (response) => {
      const { statusCode: status = 0, headers: said } = response;
      const given: Answer = { type: 'answered', status, retryAfter: said['retry-after'], location: said.location };
      answered = given;
      let size_bytes = 0;
      response.on('data', (piece: Uint8Array) => {
        size_bytes += piece.length;
        if (size_bytes > answerBody_bytes) request.destroy();
      });
      response.on('error', () => undefined);
      response.on('close', () => {
        finish(given);
      });
    });
    try {
      const own = new Set<string>();
      for (let index = 0; index + 1 < headers.length; index += 2) {
        const [name = '', value = ''] = headers.slice(index, index + 2);
        // Over what Node.js sets by itself, but a record may have several headers of one name.
        if (own.has(name.toLowerCase())) request.appendHeader(name, value);
        else request.setHeader(name, value);
        own.add(name.toLowerCase());
      }
      request.setHeader('Content-Length', body.length);
      // Node.js would write by itself once there is a connection: in a process that hung meanwhile, much too late.
      onConnected(request, url, () => {
        if (exchange.mayBegin()) request.end(body);
        else request.destroy(new Error('it was not sent: another node may by now'));
      });
    } catch (thrown) {
      request.destroy();
      finish({ type: 'failed', cause: toError(thrown), wasIdle: false });
    }
  });
  return {
    answer,
    abort: (cause) => {
      request.destroy(cause);
    },
  };
}

function onConnected(request: http.ClientRequest, { protocol }: URL, callback: () => void): void {
  request.once('socket', (socket) => {
    if (socket.connecting) socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', callback);
    else callback();
  });
}

/** Ends a request that takes too long, and knows why. */
class Limits {
  exceeded: Error | undefined;
  readonly #request: http.ClientRequest;
  readonly #timers: Timer[] = [];

  constructor(request: http.ClientRequest, exchange: Exchange, clock: Clock) {
    this.#request = request;
    const { url, connectLimit_ms, answerLimit_ms } = exchange;
    const connecting = clock.after(connectLimit_ms, () => {
      this.#exceed(`no connection within ${String(connectLimit_ms)} ms`);
    });
    this.#timers.push(connecting);
    const connected = (): void => {
      connecting.cancel();
      const answering = clock.after(answerLimit_ms, () => {
        this.#exceed(`no answer within ${String(answerLimit_ms)} ms`);
      });
      this.#timers.push(answering);
    };
    onConnected(request, url, connected);
  }

  cancel(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #exceed(what: string): void {
    this.exceeded = new Error(what);
    this.#request.destroy(this.exceeded);
  }
}
