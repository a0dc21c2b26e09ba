// One run of a node: the role machine, and a toy control plane that carries its effects out.
import {
  initialState,
  type AppName,
  type Incarnation,
  type Member,
  type NodeId,
  type PairEffect,
  type PairEvent,
  type PairSettings,
  type PairState,
} from '@tandem/pair';
import { ToyLane } from './lane.ts';
import { effectText, eventText } from './transcript.ts';
import { timing, type ToyWorld } from './world.ts';

type Timeless<Event> = Event extends PairEvent ? Omit<Event, 'at_ms'> : never;
export type ToyEvent = Timeless<PairEvent>;

export class ToyProcess {
  readonly world: ToyWorld;
  readonly member: Member;
  state: PairState;
  isAlive = true;
  isPaused = false;
  heardAt_ms: number;
  /** S11: requests to a sink without a fence end before this. */
  authorityUntil_ms = 0;
  private readonly settings: PairSettings;
  private readonly lanes: ReadonlyMap<AppName, ToyLane>;
  /** Raised when an app fails or is restored: what its lane was asked before concerns nobody any more. */
  private readonly generations = new Map<AppName, number>();
  private readonly inbox: (() => void)[] = [];
  private wake = 0;

  constructor(world: ToyWorld, node: NodeId, incarnation: Incarnation) {
    this.world = world;
    this.settings = world.settingsOf(node, incarnation);
    this.member = this.settings.self;
    this.state = initialState(this.settings, world.options.apps);
    this.heardAt_ms = world.now_ms;
    this.lanes = new Map(world.options.apps.map((app) => [app, new ToyLane(this, app)]));
    for (const app of world.options.apps) this.describeApp(app);
  }

  get isRunning(): boolean {
    return this.isAlive && !this.isPaused;
  }

  receive(run: () => void): void {
    if (!this.isAlive) return;
    if (this.isPaused) this.inbox.push(run);
    else run();
  }

  kill(): void {
    this.world.say(`${this.member.node}: killed`);
    this.isAlive = false;
    this.world.links.ended(this);
  }

  pause(): void {
    this.world.say(`${this.member.node}: paused`);
    this.isPaused = true;
  }

  resume(): void {
    this.world.say(`${this.member.node}: resumed`);
    this.isPaused = false;
    for (const run of this.inbox.splice(0)) this.receive(run);
  }

  failApp(app: AppName, willRestart: boolean): void {
    if (!this.isRunning || this.state.apps[app]?.described !== true) return;
    this.world.say(`${this.member.node}: ${app} fails`);
    this.generations.set(app, this.generation(app) + 1);
    this.lane(app).fail();
    this.dispatch({ type: 'app-failed', app, reason: 'it threw', willRestart });
    if (willRestart) this.describeApp(app);
  }

  /** Its state becomes wrong, which is noticed at once; only while it is to be measured by the active's. */
  diverge(app: AppName): void {
    const { condition } = this.state.apps[app] ?? {};
    const isVouchedFor = condition === 'in-sync' || condition === 'replaying';
    if (!this.isRunning || this.state.held !== undefined || this.state.role === 'stopped' || !isVouchedFor) return;
    this.lane(app).goWrong();
    this.dispatch({ type: 'app-diverged', app, reason: 'its state is wrong' });
  }

  appsInSync(): readonly AppName[] {
    return Object.entries(this.state.apps).flatMap(([app, { condition }]) => (condition === 'in-sync' ? [app] : []));
  }

  dispatch(event: ToyEvent): void {
    if (!this.isRunning) {
      this.receive(() => {
        this.dispatch(event);
      });
      return;
    }
    const { now_ms } = this.world;
    const { state, effects } = this.world.options.step(this.state, { ...event, at_ms: now_ms }, this.settings);
    this.state = state;
    if (effects.length > 0) {
      this.world.say(`${this.member.node}: ${eventText(event)} -> ${effects.map(effectText).join('; ')}`);
    }
    this.checkState();
    const wake = ++this.wake;
    if (state.wakeAt_ms !== undefined) {
      this.world.after(state.wakeAt_ms - now_ms, this, () => {
        if (wake === this.wake) this.dispatch({ type: 'tick' });
      });
    }
    for (const effect of effects) this.carryOut(effect);
  }

  pump(): void {
    if (!this.isRunning || this.state.role === 'stopped') return;
    for (const lane of this.lanes.values()) lane.pump();
  }

  /** S11: asked anew again and again; what counts is when the question was sent. Where every sink has a fence nobody asks. */
  renewAuthority(): void {
    const { world } = this;
    const { held } = this.state;
    if (!this.isRunning || held === undefined || world.options.fence !== 'none') return;
    const sentAt_ms = world.now_ms;
    world.coordinator.verify(this, held, (outcome) => {
      if (outcome !== 'current') return;
      this.authorityUntil_ms = Math.max(this.authorityUntil_ms, sentAt_ms + (timing.sessionTimeout_ms * 2) / 3);
    });
  }

  /** The active keeps revisions of what it publishes. */
  persist(): void {
    const { world, state } = this;
    if (!this.isRunning || world.storeIsDown || state.held === undefined) return;
    for (const [app, { output }] of Object.entries(state.apps)) {
      const snapshot = output === 'live' ? this.lane(app).snapshot() : undefined;
      if (snapshot === undefined || (world.revisions.get(app)?.epoch ?? 0) > state.held) continue;
      world.revisions.set(app, { ...snapshot, epoch: state.held });
    }
  }

  describe(): string {
    return `${this.member.incarnation}: ${this.isAlive ? '' : 'dead '}${this.isPaused ? 'paused ' : ''}${JSON.stringify(this.state)}`;
  }

  private checkState(): void {
    const { held, wakeAt_ms } = this.state;
    if (wakeAt_ms !== undefined && wakeAt_ms <= this.world.now_ms) throw new Error('it wants to wake in the past');
    if (held === undefined) return;
    const holder = this.world.holders.get(held) ?? this.member.incarnation;
    if (holder !== this.member.incarnation)
      throw new Error(`S1: epoch ${held} is held by ${holder} and ${this.member.incarnation}`);
    this.world.holders.set(held, holder);
  }

  private carryOut(effect: PairEffect): void {
    const { world } = this;
    switch (effect.type) {
      case 'claim':
        world.coordinator.claim(this, effect.expected);
        return;
      case 'read-view':
        world.coordinator.readView(this);
        return;
      case 'probe':
        this.probe(effect.peer);
        return;
      case 'verify':
        this.verify(effect);
        return;
      case 'verified':
        this.lane(effect.app).verified(effect.epoch);
        return;
      case 'restore':
        this.restore(effect);
        return;
      case 'begin-at-genesis':
        this.later(effect.app, () => {
          world.begun.add(effect.app);
          this.lane(effect.app).begin();
          this.dispatch({ type: 'app-restored', app: effect.app });
        });
        return;
      case 'open':
        this.lane(effect.app).open(effect.epoch, effect.unfencedFrom_ms);
        return;
      case 'step-down':
        this.lane(effect.app).stepDown();
        return;
      case 'resign':
        world.coordinator.resign(this, effect.epoch);
        return;
      case 'invite':
        this.invite(effect);
        return;
      case 'answer-switchover':
      case 'role-changed':
        return;
      case 'exit':
        this.isAlive = false;
        world.coordinator.leave(this);
        world.links.ended(this);
    }
  }

  private probe(peer: Member): void {
    const { world } = this;
    world.after(world.latency_ms(), this, () => {
      const other = world.byIncarnation(peer.incarnation);
      const isReached = other === undefined || world.links.reaches(this, other);
      const gone = other === undefined || !other.isAlive ? 'gone' : 'alive';
      const outcome = !isReached || other?.isPaused === true ? 'unknown' : gone;
      this.dispatch({ type: 'probe-answered', peer: peer.incarnation, outcome });
    });
  }

  private verify({
    app,
    publisher,
    lane,
    epoch,
    storedEpoch,
    delay_ms,
  }: Extract<PairEffect, { type: 'verify' }>): void {
    const { world } = this;
    world.after(delay_ms, this, () => {
      world.coordinator.verify(this, epoch, (outcome) => {
        this.dispatch({ type: 'verify-answered', app, publisher, lane, epoch, storedEpoch, outcome });
      });
    });
  }

  private restore({ app, from }: Extract<PairEffect, { type: 'restore' }>): void {
    // Only the last one is answered.
    this.generations.set(app, this.generation(app) + 1);
    this.later(app, () => {
      const { world } = this;
      if (from.kind === 'peer') {
        const peer = world.byIncarnation(from.peer.incarnation);
        const isReached = peer !== undefined && peer.isRunning && world.links.reaches(this, peer);
        const condition = isReached ? peer.state.apps[app]?.condition : undefined;
        const isVouchedFor = condition === 'in-sync' || condition === 'replaying';
        const snapshot = isVouchedFor ? peer?.lane(app).snapshot() : undefined;
        if (snapshot !== undefined) this.restored(app, snapshot);
        else if (condition === 'unborn') this.dispatch({ type: 'app-unborn', app });
        else this.dispatch({ type: 'app-unavailable', app, reason: `${from.peer.node} has no snapshot` });
        return;
      }
      const revision = world.revisions.get(app);
      if (world.storeIsDown) this.dispatch({ type: 'app-unavailable', app, reason: 'the store is down' });
      else if (revision !== undefined) this.restored(app, revision);
      else if (world.begun.has(app)) this.restored(app, { head: 0, end: 0, chunks: [], isWrong: false });
      else this.dispatch({ type: 'app-unborn', app });
    });
  }

  private restored(app: AppName, snapshot: Parameters<ToyLane['restore']>[0]): void {
    this.lane(app).restore(snapshot);
    this.dispatch({ type: 'app-restored', app });
  }

  private invite({ peer, epoch, limit_ms }: Extract<PairEffect, { type: 'invite' }>): void {
    const { world } = this;
    const other = world.byIncarnation(peer);
    if (other === undefined || !world.links.reaches(this, other) || world.isLost()) return;
    world.after(world.latency_ms(), other, () => {
      other.dispatch({ type: 'invited', by: this.member.incarnation, epoch, limit_ms });
    });
  }

  private describeApp(app: AppName): void {
    this.later(app, () => {
      this.dispatch({ type: 'app-described', app, publishers: ['toy'] });
    });
  }

  /** In this life of the app's lane, a little later. */
  private later(app: AppName, run: () => void): void {
    const generation = this.generation(app);
    this.world.after(this.world.latency_ms(), this, () => {
      if (generation === this.generation(app)) run();
    });
  }

  private generation(app: AppName): number {
    return this.generations.get(app) ?? 0;
  }

  private lane(app: AppName): ToyLane {
    const lane = this.lanes.get(app);
    if (lane === undefined) throw new Error(`no lane for ${app}`);
    return lane;
  }
}
