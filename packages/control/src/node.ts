// A running node: feeds the role machine with what happens and carries out what it decides, in its order.
//
// A promotion, as the effects come: claim -> open every vouched-for app's publishers -> verify with the coordinator
// -> (in the lane) read back, trim, drain, live. Nothing here decides anything about roles.
import {
  initialState,
  step,
  type AppName,
  type Incarnation,
  type Member,
  type PairEffect,
  type PairEvent,
  type PairSettings,
  type PairState,
  type View,
} from '@tandem/pair';
import { toError, type Timer } from '@tandem/ports';
import { appHostOf } from './app-host.ts';
import { NodeApp } from './app.ts';
import { Authority } from './authority.ts';
import { Coordination } from './coordination.ts';
import { nodeDoors } from './doors.ts';
import type { Served } from './network.ts';
import { NodeLinks, probeLimit_ms } from './node-links.ts';
import { processParts, type NodeParts } from './node-parts.ts';
import type { NodeOptions } from './options.ts';
import { Persistence } from './persistence.ts';
import { PublishedPoll } from './published-poll.ts';
import { Switchovers, type SwitchoverOutcome } from './switchovers.ts';

/** Why a node ended. `blame: user` is a configuration that cannot work; `none` an orderly stop. */
export interface NodeEnd {
  readonly blame: 'none' | 'user' | 'failure';
  readonly detail: string;
}

export interface NodeHandle {
  readonly incarnation: Incarnation;
  readonly address: string;
  /** Resolves when everything is closed. */
  readonly ended: Promise<NodeEnd>;
  /** Hands over if somebody can take it, then closes everything (SIGTERM). Call it once. */
  stop(): Promise<NodeEnd>;
}

/** How long a switchover request waits for its answer beyond the time limit of the invitation. */
const switchoverSlack_ms = 2_000;

/** A candidate that is in sync needs some milliseconds to claim; one that is behind gives it these. */
const headStart_ms = 50;

/** Invited, a passive claims within some milliseconds; outputs wait no longer than this for one that does not. */
const invitedHold_ms = 100;

/** A process that is just ending may still let one connection in; the next probe finds it gone. Doubled each time. */
const probeRetry_ms = 2;

/** Starts a node. @throws TandemError `port-in-use`, or whatever keeps it from joining; everything is closed then. */
export async function startNode(
  options: NodeOptions,
  parts: NodeParts = processParts(options.log),
): Promise<NodeHandle> {
  const node = new Node(options, parts);
  try {
    await node.start();
  } catch (thrown) {
    await node.close({ blame: 'failure', detail: toError(thrown).message });
    throw thrown;
  }
  return node;
}

/** Everything the parts of a node share. */
export class Node implements NodeHandle {
  readonly options: NodeOptions;
  readonly parts: NodeParts;
  readonly incarnation: Incarnation;
  readonly startedAt_ms: number;
  readonly apps = new Map<AppName, NodeApp>();
  readonly persistence = new Map<AppName, Persistence>();
  readonly ended: Promise<NodeEnd>;
  #served: Served | undefined;
  #links: NodeLinks | undefined;
  #poll: PublishedPoll | undefined;
  #self: Member | undefined;
  #settings: PairSettings | undefined;
  #state: PairState | undefined;
  #promotions = 0;
  #failovers = 0;
  readonly #events: PairEvent[] = [];
  #pumping = false;
  #wakeTimer: Timer | undefined;
  readonly #switchovers: Switchovers;
  readonly #authority: Authority;
  readonly #coordination: Coordination;
  #closing: Promise<void> | undefined;
  #resolveEnded: (end: NodeEnd) => void = () => undefined;

  constructor(options: NodeOptions, parts: NodeParts) {
    this.options = options;
    this.parts = parts;
    this.incarnation = `${options.node.id}-${parts.runId()}`;
    this.startedAt_ms = options.clock.wall_ms();
    this.#switchovers = new Switchovers(options.clock, options.switchover.limit_ms + switchoverSlack_ms);
    const { clock, coordinator, log } = options;
    this.#coordination = new Coordination({
      clock,
      coordinator,
      log,
      raise: (event) => {
        this.raise(event);
      },
    });
    this.#authority = new Authority({
      clock,
      coordinator,
      tell: (until_ms) => {
        for (const app of this.apps.values()) app.authorityUntil(until_ms);
      },
      onSuperseded: () => {
        this.#coordination.readView();
      },
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get listening(): boolean {
    return this.#self !== undefined;
  }

  get address(): string {
    return this.self.address;
  }

  /** This process as a member of its pair; known once it listens. */
  get self(): Member {
    if (this.#self === undefined) throw new Error('the node does not listen yet');
    return this.#self;
  }

  get state(): PairState | undefined {
    return this.#state;
  }

  get view(): View | undefined {
    return this.#state?.view;
  }

  get links(): NodeLinks | undefined {
    return this.#links;
  }

  get linkedTo(): string | undefined {
    return this.#links?.all.peer?.node;
  }

  /** Why there is no link to the active, once trying has failed. */
  get linkTrouble(): string | undefined {
    return this.#links?.all.trouble;
  }

  get coordinatorTrouble(): string | undefined {
    return this.#coordination.trouble;
  }

  /** Times that this process became active, for whatever reason. */
  get promotions(): number {
    return this.#promotions;
  }

  /** Those of them that nobody asked for: an active before it had gone. */
  get failovers(): number {
    return this.#failovers;
  }

  async start(): Promise<void> {
    const { options } = this;
    const { clock, coordinator } = options;
    this.#served = await this.parts.network.serve(options.node.listen, nodeDoors(this), {
      acceptsLinks: () => this.#links !== undefined,
      onLink: (socket) => this.#links?.all.accept(socket),
    });
    const address = options.node.advertise ?? this.#served.address;
    this.#self = { node: options.node.id, incarnation: this.incarnation, address };
    const views: View[] = [];
    await coordinator.join(this.#self, {
      onView: (view) => {
        if (this.#state === undefined) views.push(view);
        else this.raise({ type: 'view-changed', at_ms: clock.now_ms(), view });
      },
      onConnection: (connection, cause) => {
        this.#coordination.onConnection(connection, cause);
      },
    });
    this.#settings = {
      self: this.#self,
      sessionTimeout_ms: coordinator.sessionTimeout_ms,
      probeClaimInterval_ms: 2 * coordinator.sessionTimeout_ms,
      probeRetry_ms,
      headStart_ms,
      switchoverLimit_ms: options.switchover.limit_ms,
      liveSync: options.stateSync.live,
      stateSyncRetry_ms: options.stateSync.retry_ms,
      coordinatorRetry_ms: 20,
    };
    for (const appOptions of options.apps) this.#addApp(new NodeApp(appOptions, appHostOf(this)));
    this.#state = initialState(this.#settings, [...this.apps.keys()]);
    this.#links = new NodeLinks(this, coordinator.sessionTimeout_ms);
    this.#poll = new PublishedPoll({
      clock,
      network: this.parts.network,
      interval_ms: options.outputSync.interval_ms,
      token: options.node.token,
      apps: () => [...this.apps.keys()],
      onPositions: (app, publisher, positions) => {
        if (this.#state?.held === undefined) this.apps.get(app)?.trim(publisher, positions);
      },
    });
    for (const view of views) this.raise({ type: 'view-changed', at_ms: clock.now_ms(), view });
    for (const app of this.apps.values()) app.start();
  }

  /** Takes one event in; effects are carried out before this returns, their answers come as events later. */
  raise(event: PairEvent): void {
    if (this.#closing !== undefined) return;
    this.#events.push(event);
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
    } finally {
      this.#pumping = false;
    }
    this.#settle();
  }

  stop(): Promise<NodeEnd> {
    this.raise({ type: 'stop-requested', at_ms: this.options.clock.now_ms() });
    return this.ended;
  }

  /** Asks the role machine to hand over; answers within the limit. */
  switchover(): Promise<SwitchoverOutcome> {
    return this.#switchovers.request((request) => {
      this.raise({ type: 'switchover-requested', at_ms: this.options.clock.now_ms(), request });
    });
  }

  /** Closes everything, once. */
  async close(end: NodeEnd): Promise<void> {
    this.#closing ??= this.#closeAll().then(() => {
      this.#resolveEnded(end);
    });
    await this.#closing;
  }

  #step(event: PairEvent): void {
    if (this.#state === undefined || this.#settings === undefined) return;
    const { held } = this.#state;
    const { state, effects } = step(this.#state, event, this.#settings);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    if (held !== undefined && state.held === undefined) for (const app of this.apps.values()) app.onPassive();
  }

  /** What follows from the state alone, after every burst of events: one timer, whom to link to, how to trim. */
  #settle(): void {
    const state = this.#state;
    if (state === undefined || this.#closing !== undefined) return;
    const { clock } = this.options;
    this.#wakeTimer?.cancel();
    this.#wakeTimer = undefined;
    if (state.wakeAt_ms !== undefined) {
      this.#wakeTimer = clock.after(Math.max(0, state.wakeAt_ms - clock.now_ms()), () => {
        this.raise({ type: 'tick', at_ms: clock.now_ms() });
      });
    }
    // One that only lost its session is still there: the link says whether it is, and leaves it the time to claim again.
    const active = state.view?.active ?? state.lastActive;
    const other = active?.incarnation === this.incarnation || state.held !== undefined ? undefined : active;
    this.#links?.all.follow(other);
    const linked = other !== undefined && state.link?.open === true && this.options.stateSync.live;
    for (const app of this.apps.values()) {
      const isTold = linked && !app.hasFailedOn(other);
      app.follow(state.held === undefined && !isTold);
    }
    this.#authority.keep([...this.apps.values()].some((app) => app.isUnfenced) ? state.held : undefined);
    this.#poll?.ask(linked || !this.options.stateSync.live ? undefined : other?.address);
  }

  #carryOut(effect: PairEffect): void {
    const { clock, log } = this.options;
    switch (effect.type) {
      case 'claim':
        void this.#coordination.claim(effect.expected, effect.why);
        return;
      case 'read-view':
        this.#coordination.readView();
        return;
      case 'probe':
        void this.parts.network.probe(effect.peer, probeLimit_ms).then((outcome) => {
          this.raise({ type: 'probe-answered', at_ms: clock.now_ms(), peer: effect.peer.incarnation, outcome });
        });
        return;
      case 'verify':
        this.#coordination.verify(effect);
        return;
      case 'verified':
        this.apps.get(effect.app)?.verified(effect.publisher, effect.lane, effect.epoch);
        return;
      case 'restore':
        this.apps.get(effect.app)?.restore(effect.from);
        return;
      case 'begin-at-genesis':
        this.apps.get(effect.app)?.beginAtGenesis();
        return;
      case 'open':
        this.apps.get(effect.app)?.open(effect);
        return;
      case 'step-down':
        this.apps.get(effect.app)?.stepDown();
        return;
      case 'resign':
        this.#coordination.resign(effect.epoch);
        return;
      case 'invite':
        this.#links?.all.sendTo(effect.peer, { type: 'invite', epoch: effect.epoch, limit_ms: effect.limit_ms });
        for (const app of this.apps.values()) app.hold(invitedHold_ms);
        return;
      case 'answer-switchover':
        this.#switchovers.answer(effect.request, { outcome: effect.outcome, detail: effect.detail });
        return;
      case 'role-changed':
        if (effect.to === 'promoting') {
          const before = (effect.epoch ?? 1) - 1;
          this.#promotions++;
          if (before > 0 && before !== this.#links?.invitedIn) this.#failovers++;
        }
        log.info({ role: effect.to, from: effect.from, epoch: effect.epoch ?? null, why: effect.why }, 'role changed');
        return;
      case 'exit':
        void this.close({ blame: 'none', detail: 'stopped' });
        return;
    }
  }

  #addApp(app: NodeApp): void {
    const { options } = this;
    this.apps.set(app.name, app);
    this.persistence.set(
      app.name,
      new Persistence(app, options.store, options.persistence, {
        clock: options.clock,
        log: options.log,
        epoch: () => (this.#state?.apps[app.name]?.output === 'live' ? this.#state.held : undefined),
        onFenced: () => {
          this.#coordination.readView();
        },
      }),
    );
  }

  async #closeAll(): Promise<void> {
    this.#wakeTimer?.cancel();
    this.#authority.keep(undefined);
    this.#poll?.ask(undefined);
    for (const persistence of this.persistence.values()) persistence.close();
    this.#switchovers.refuseAll('the node is closing');
    this.#links?.all.close();
    await Promise.all([...this.apps.values()].map((app) => app.close()));
    await this.#coordination.leave();
    await this.#served?.close();
    await this.options.store.close().catch(() => undefined);
  }
}
