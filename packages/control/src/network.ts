// How a node is reached, and how it reaches its peer: by HTTP and WebSockets (http/network.ts), or within a simulation.
import type { Member } from '@tandem/pair';
import type { NodeDoors } from './api.ts';
import type { ListenAt } from './options.ts';

/** `unknown`: no answer within the limit, or one that says nothing. */
export type ProbeOutcome = 'gone' | 'alive' | 'unknown';

export interface PeerCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly token: string | undefined;
  /** Silence after which it is given up. */
  readonly limit_ms?: number;
}

export interface LinkSocketHandlers {
  /** It carries text from now on; an accepted one does so from the start, and does not say it. */
  onOpen(): void;
  /** Undefined: something that is no text. */
  onText(text: string | undefined): void;
  /** It does not carry anything any more; `why` is for people. May be said more than once. */
  onClose(why: string): void;
}

/** One connection of the link: texts in order, both ways, until it closes. */
export interface LinkSocket {
  /** Called once, before anything else can happen to it. */
  handle(handlers: LinkSocketHandlers): void;
  /** Nothing while it is not open. */
  send(text: string): void;
  /** Tells the other end, with one of `linkClosed`. */
  close(code: number): void;
  /** At once, without a word. */
  terminate(): void;
}

export interface Caller {
  /** Whether links can be taken up yet. */
  acceptsLinks(): boolean;
  /** An authenticated connection of a peer that wants to link. */
  onLink(socket: LinkSocket): void;
}

export interface Served {
  /** Where it is reached on this machine. */
  readonly address: string;
  close(): Promise<void>;
}

export interface Network {
  /** Opens the door of this node. @throws TandemError `port-in-use`, `cannot-listen`. */
  serve(at: ListenAt, doors: NodeDoors, caller: Caller): Promise<Served>;
  /** Connecting may take `limit_ms`. */
  link(address: string, token: string | undefined, limit_ms: number): LinkSocket;
  /** Whether that process is gone. Connecting and the answer may each take `limit_ms`. */
  probe(peer: Member, limit_ms: number): Promise<ProbeOutcome>;
  /** The peer's snapshot of an app, taken now. @throws TandemError with the peer's own code, `not-vouched` for instance. */
  snapshot(address: string, app: string, token: string | undefined): Promise<AsyncIterable<Uint8Array>>;
  /** A JSON answer of the peer. @throws TandemError with the peer's own code. */
  ask(address: string, call: PeerCall): Promise<unknown>;
}
