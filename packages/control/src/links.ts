// This node's links: as a passive it keeps one to the active, as the active it serves those of the passives.
import type { AppName, Epoch, Incarnation, Member, PublisherName } from '@tandem/pair';
import type { PositionTexts, TaskDigest } from '@tandem/lane';
import type { Clock, Timer } from '@tandem/ports';
import { Link, type LinkEnd, type LinkOptions } from './link.ts';
import {
  codeDifference,
  digestsPerMessage,
  type AppCode,
  type Hello,
  type LinkMessage,
  type Refusal,
} from './link-messages.ts';
import type { LinkSocket } from './network.ts';

export interface LinksHost {
  readonly clock: Clock;
  readonly pair: string;
  readonly self: Member;
  readonly ping_ms: number;
  readonly silence_ms: number;
  readonly apps: Readonly<Record<AppName, AppCode>>;
  epoch(): Epoch | undefined;
  connect(address: string, limit_ms: number): LinkSocket;
  /** Whether this node holds the current epoch, so that passives may link to it. */
  isActive(): boolean;
  onOpen(peer: Incarnation): void;
  onClose(peer: Incarnation, how: LinkEnd): void;
  onMessage(peer: Incarnation, message: LinkMessage): void;
  /** The active cannot be linked to at the moment; said once for each reason. */
  onTrouble(reason: string): void;
  /** The active will never have this node as it is (other code, other pair): it must not go on. */
  onTurnedAway(reason: string): void;
}

/** Pause between two tries to reach the active. */
const retry_ms = 100;

/** Links served at the same time; a pair needs one. */
const maxLinks = 8;

/** Positions wait at most this long for others to go with them. */
const coalesce_ms = 5;

export class Links {
  readonly #host: LinksHost;
  readonly #served = new Set<Link>();
  readonly #unsent = new Map<
    string,
    {
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly positions: Record<string, string>;
      readonly since_ms: number | undefined;
    }
  >();
  readonly #unsentDigests = new Map<AppName, TaskDigest[]>();
  #sendTimer: Timer | undefined;
  #target: Member | undefined;
  #outgoing: Link | undefined;
  #retryTimer: Timer | undefined;
  #trouble: string | undefined;
  /** Open links by peer: for a moment after a switchover there are two, and the close of one says nothing. */
  readonly #open = new Map<Incarnation, number>();
  #closed = false;

  constructor(host: LinksHost) {
    this.#host = host;
  }

  /** The incarnation at the other end of the open link, whichever side opened it. */
  get peer(): Hello | undefined {
    if (this.#outgoing?.isOpen === true) return this.#outgoing.peer;
    for (const link of this.#served) if (link.isOpen) return link.peer;
    return undefined;
  }

  /** Why the active could not be linked to at the last try; undefined while linked, or when there is none to link to. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Keeps a link to that member from now on; undefined: to none. */
  follow(active: Member | undefined): void {
    if (this.#target?.incarnation === active?.incarnation) return;
    const before = this.#outgoing;
    this.#target = active;
    this.#trouble = undefined;
    this.#retryTimer?.cancel();
    // Let go of first: that a link to somebody else is given up half-way is no trouble.
    this.#outgoing = undefined;
    before?.close();
    this.#connect();
  }

  /** Takes up an authenticated connection of a peer. */
  accept(socket: LinkSocket): void {
    if (this.#closed || this.#served.size >= maxLinks) {
      socket.terminate();
      return;
    }
    const link: Link = new Link(socket, this.#options(), {
      admit: (peer) => this.#refusal(peer),
      onOpen: (peer) => {
        this.#onOpen(peer.incarnation);
      },
      onMessage: (message) => {
        if (link.peer !== undefined) this.#host.onMessage(link.peer.incarnation, message);
      },
      onClose: (how) => {
        this.#served.delete(link);
        if (link.peer !== undefined) this.#onClose(link.peer.incarnation, how);
      },
      onRefused: () => {
        this.#served.delete(link);
      },
    });
    this.#served.add(link);
  }

  /** To every passive that is linked. */
  broadcast(message: LinkMessage): void {
    for (const link of this.#served) link.send(message);
  }

  sendTo(peer: Incarnation, message: LinkMessage): void {
    for (const link of this.#served) if (link.peer?.incarnation === peer) link.send(message);
  }

  /** To the active, if this node is linked to it. */
  sendToActive(message: LinkMessage): void {
    this.#outgoing?.send(message);
  }

  /** Coalesced: at most some ms late. `since_ms`: wall time at which the first of them was published, where it was now. */
  publish(app: AppName, publisher: PublisherName, positions: PositionTexts, since_ms?: number): void {
    if (this.#served.size === 0) return;
    const key = `${app}\n${publisher}`;
    const unsent = this.#unsent.get(key);
    if (unsent === undefined) this.#unsent.set(key, { app, publisher, positions: { ...positions }, since_ms });
    else Object.assign(unsent.positions, positions);
    this.#sendSoon();
  }

  /** To every passive that is linked; coalesced, as many to a message as one may hold. */
  publishDigests(app: AppName, digests: readonly TaskDigest[]): void {
    if (this.#served.size === 0 || digests.length === 0) return;
    const unsent = this.#unsentDigests.get(app) ?? [];
    this.#unsentDigests.set(app, unsent);
    for (const digest of digests) unsent.push(digest);
    this.#sendSoon();
  }

  close(): void {
    this.#closed = true;
    this.#retryTimer?.cancel();
    this.#sendTimer?.cancel();
    this.#outgoing?.close();
    for (const link of this.#served) link.close();
  }

  #sendSoon(): void {
    this.#sendTimer ??= this.#host.clock.after(coalesce_ms, () => {
      this.#sendTimer = undefined;
      for (const entry of this.#unsent.values()) this.broadcast({ type: 'published', ...entry });
      this.#unsent.clear();
      for (const [app, digests] of this.#unsentDigests) {
        for (let at = 0; at < digests.length; at += digestsPerMessage) {
          this.broadcast({ type: 'digests', app, digests: digests.slice(at, at + digestsPerMessage) });
        }
      }
      this.#unsentDigests.clear();
    });
  }

  #options(): LinkOptions {
    const { clock, ping_ms, silence_ms, pair, self, apps } = this.#host;
    const epoch = this.#host.epoch() ?? null;
    const hello: Hello = { type: 'hello', pair, node: self.node, incarnation: self.incarnation, epoch, apps };
    return { clock, ping_ms, silence_ms, hello };
  }

  #refusal(peer: Hello): Refusal | undefined {
    const { pair, apps } = this.#host;
    if (peer.pair !== pair) {
      return {
        reason: `the active at ${this.#host.self.address} is of pair '${pair}', this node of '${peer.pair}'`,
        final: true,
      };
    }
    if (!this.#host.isActive()) return { reason: 'not active', final: false };
    const difference = codeDifference(apps, peer.apps);
    return difference === undefined ? undefined : { reason: difference, final: true };
  }

  #connect(): void {
    const target = this.#target;
    if (this.#closed || target === undefined) return;
    const again = (): void => {
      if (this.#outgoing === link) this.#outgoing = undefined;
      if (this.#target?.incarnation !== target.incarnation || this.#closed) return;
      this.#retryTimer = this.#host.clock.after(retry_ms, () => {
        this.#connect();
      });
    };
    const link = new Link(this.#host.connect(target.address, this.#host.silence_ms), this.#options(), {
      onOpen: (hello) => {
        if (hello.incarnation !== target.incarnation) {
          // Another process answers at that address: the one we look for is not there.
          link.close();
          return;
        }
        this.#trouble = undefined;
        this.#onOpen(hello.incarnation);
      },
      onMessage: (message) => {
        this.#host.onMessage(target.incarnation, message);
      },
      onClose: (how) => {
        if (link.peer?.incarnation === target.incarnation) this.#onClose(target.incarnation, how);
        again();
      },
      onRefused: (refusal) => {
        if (refusal.final) {
          this.#host.onTurnedAway(refusal.reason);
          return;
        }
        if (this.#outgoing === link) this.#onTrouble(`${target.node} at ${target.address}: ${refusal.reason}`);
        again();
      },
    });
    this.#outgoing = link;
  }

  #onOpen(peer: Incarnation): void {
    this.#open.set(peer, (this.#open.get(peer) ?? 0) + 1);
    this.#host.onOpen(peer);
  }

  #onClose(peer: Incarnation, how: LinkEnd): void {
    const left = (this.#open.get(peer) ?? 1) - 1;
    if (left > 0) this.#open.set(peer, left);
    else {
      this.#open.delete(peer);
      this.#host.onClose(peer, how);
    }
  }

  #onTrouble(reason: string): void {
    if (this.#closed || reason === this.#trouble) return;
    this.#trouble = reason;
    this.#host.onTrouble(reason);
  }
}
