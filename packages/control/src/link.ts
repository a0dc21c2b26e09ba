// One end of the link between a passive and its active: hello, pings, silence, and typed messages.
// Its close is the fast failure detector, so nothing here delays it.
import type { Clock, Timer } from '@tandem/ports';
import { linkClosed, parseLinkMessage, type Hello, type LinkMessage, type Refusal } from './link-messages.ts';
import type { LinkSocket } from './network.ts';

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
  readonly #socket: LinkSocket;
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  #peer: Hello | undefined;
  #ended = false;
  #heardAt_ms: number;
  #beatAt_ms: number;
  #timer: Timer | undefined;

  constructor(socket: LinkSocket, options: LinkOptions, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#options = options;
    this.#handlers = handlers;
    this.#heardAt_ms = options.clock.now_ms();
    this.#beatAt_ms = this.#heardAt_ms;
    socket.handle({
      onOpen: () => {
        this.#greet();
      },
      onText: (text) => {
        this.#onText(text);
      },
      onClose: (why) => {
        this.#end('closed', why);
      },
    });
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
    this.#socket.send(JSON.stringify(message));
  }

  #onText(text: string | undefined): void {
    if (this.#ended) return;
    this.#heardAt_ms = this.#options.clock.now_ms();
    const message = text === undefined ? undefined : parseLinkMessage(text);
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
    this.#socket.terminate();
    if (this.#peer === undefined) this.#handlers.onRefused({ reason: why, final: false });
    else this.#handlers.onClose(how);
  }
}
