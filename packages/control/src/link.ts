// One end of the WebSocket between a passive and its active: hello, pings, silence, and typed messages.
// Its close is the fast failure detector, so nothing here delays it.
import type { Clock, Timer } from '@tandem/ports';
import { WebSocket } from 'ws';
import {
  linkClosed,
  linkMessageLimit_bytes,
  parseLinkMessage,
  type Hello,
  type LinkMessage,
  type Refusal,
} from './link-messages.ts';

export type LinkEnd = 'closed' | 'silent';

export interface LinkHandlers {
  /** Only on the accepting end: why this peer is turned away; undefined when it is welcome. */
  admit?(peer: Hello): Refusal | undefined;
  /** Both hellos are exchanged and the peer is welcome. */
  onOpen(peer: Hello): void;
  onMessage(message: LinkMessage): void;
  /** Called once, only after onOpen. */
  onClose(how: LinkEnd): void;
  /** It ended before it was open. `final`: asking again cannot help. */
  onRefused(refusal: Refusal): void;
}

export interface LinkOptions {
  readonly clock: Clock;
  readonly ping_ms: number;
  /** Nothing heard for this long ends the link. */
  readonly silence_ms: number;
  readonly hello: Hello;
}

export class Link {
  readonly #socket: WebSocket;
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  #peer: Hello | undefined;
  #ended = false;
  #heardAt_ms: number;
  #beatAt_ms: number;
  #timer: Timer | undefined;

  constructor(socket: WebSocket, options: LinkOptions, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#options = options;
    this.#handlers = handlers;
    this.#heardAt_ms = options.clock.now_ms();
    this.#beatAt_ms = this.#heardAt_ms;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#onData(data, isBinary);
    });
    socket.on('close', (code) => {
      this.#end('closed', `the connection closed (${code})`);
    });
    socket.on('error', (error) => {
      this.#end('closed', error.message);
    });
    if (handlers.admit === undefined) {
      socket.once('unexpected-response', (outgoing, response) => {
        response.resume();
        outgoing.destroy();
        this.#end('closed', refusalOf(response.statusCode ?? 0));
      });
      socket.once('open', () => {
        this.#greet();
      });
    }
    this.#beat();
  }

  /** The peer's hello; undefined until the link is open. */
  get peer(): Hello | undefined {
    return this.#peer;
  }

  get isOpen(): boolean {
    return this.#peer !== undefined && !this.#ended;
  }

  /** Sends if the link is open; what cannot be sent is dropped (the peer re-reads it when it links again). */
  send(message: LinkMessage): void {
    if (this.isOpen) this.#write(message);
  }

  close(code: number = linkClosed.goingAway): void {
    this.#socket.close(code);
    this.#end('closed', 'closed here');
  }

  #greet(): void {
    this.#heardAt_ms = this.#options.clock.now_ms();
    this.#write(this.#options.hello);
  }

  #write(message: LinkMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #onData(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return;
    this.#heardAt_ms = this.#options.clock.now_ms();
    const message = isBinary ? undefined : parseLinkMessage(data.toString());
    const first = message?.type === 'hello' || message?.type === 'refused' || message?.type === 'ping';
    if (message === undefined || (this.#peer === undefined && !first)) {
      this.close(linkClosed.badMessage);
      return;
    }
    if (message.type === 'ping') return;
    if (message.type === 'refused') this.#refused(message);
    else if (message.type !== 'hello') this.#handlers.onMessage(message);
    else if (this.#peer === undefined) this.#welcome(message);
  }

  #welcome(hello: Hello): void {
    if (this.#handlers.admit !== undefined) {
      const refusal = this.#handlers.admit(hello);
      if (refusal !== undefined) {
        this.#write({ type: 'refused', ...refusal });
        this.#refused(refusal);
        return;
      }
      this.#greet();
    }
    this.#peer = hello;
    this.#handlers.onOpen(hello);
  }

  #refused(refusal: Refusal): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#socket.close(linkClosed.refused);
    this.#handlers.onRefused(refusal);
  }

  #beat(): void {
    if (this.#ended) return;
    const { clock, ping_ms, silence_ms } = this.#options;
    const now_ms = clock.now_ms();
    // This process itself was stopped for a while: what the peer sent meanwhile has not been read yet.
    const late = now_ms - this.#beatAt_ms > silence_ms / 2;
    this.#beatAt_ms = now_ms;
    if (late) this.#heardAt_ms = Math.max(this.#heardAt_ms, now_ms - silence_ms / 2);
    if (now_ms - this.#heardAt_ms > silence_ms) {
      this.#socket.terminate();
      this.#end('silent', 'nothing was heard');
      return;
    }
    this.#write({ type: 'ping' });
    this.#timer = clock.after(ping_ms, () => {
      this.#beat();
    });
  }

  #end(how: LinkEnd, why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    if (this.#socket.readyState !== WebSocket.CLOSED) this.#socket.terminate();
    if (this.#peer === undefined) this.#handlers.onRefused({ reason: why, final: false });
    else this.#handlers.onClose(how);
  }
}

/** What an answer means that is no link. */
function refusalOf(status: number): string {
  if (status === 401) return "it does not accept this node's token; give both nodes the same node.token";
  return `it answered ${status} instead of opening a link`;
}

/** Opens the passive's end. */
export function connectLink(
  address: string,
  token: string | undefined,
  options: LinkOptions,
  handlers: LinkHandlers,
): Link {
  const url = new URL('/v1/link', address);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, {
    handshakeTimeout: options.silence_ms,
    maxPayload: linkMessageLimit_bytes,
    perMessageDeflate: false,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  });
  return new Link(socket, options, handlers);
}
