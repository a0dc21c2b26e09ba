// One app on this node: its lanes, where its state comes from, its publishers, its snapshots and its restarts.
import type { Described, LaneFailure } from './lane-group.ts';
import type { FailureCode, FromLane, LaneStatus, PositionTexts } from '@tandem/lane';
import type { AppName, Epoch, Member, PublisherName } from '@tandem/pair';
import { TandemError, type Timer } from '@tandem/ports';
import { formatVersion } from '@tandem/snapshot';
import { mayRestartCure, needsNewerState } from './app-cure.ts';
import { compareDigests } from './app-comparison.ts';
import type { AppDigests } from './app-digests.ts';
import type { AppHost } from './app-host.ts';
import { AppOrigin, type OpenRequest, type RestoreFrom } from './app-origin.ts';
import { AppSnapshots, type SnapshotCounts } from './app-snapshots.ts';
import { LaneAnswers } from './lane-answers.ts';
import { LaneGroup } from './lane-group.ts';
import { LiveLanes } from './live-lanes.ts';
import type { AppOptions } from './options.ts';

/** Once it has run in sync for this long the restarts are counted from none again: a replay alone may take longer. */
const restartsForgotten_ms = 60_000;

const closeLimit_ms = 2_000;

export class NodeApp {
  readonly name: AppName;
  readonly options: AppOptions;
  readonly #host: AppHost;
  readonly #published = new Map<PublisherName, Record<string, string>>();
  #group: LaneGroup | undefined;
  readonly #origin: AppOrigin;
  readonly #snapshots: AppSnapshots;
  readonly digests: AppDigests;
  readonly #answers = new LaneAnswers();
  readonly #liveLanes = new LiveLanes();
  #genesisAnswers: Record<string, string> = {};
  #epoch: Epoch | undefined;
  #following = false;
  #inSyncLanes = new Set<number>();
  #inSync = false;
  #vouched = false;
  #restarts = 0;
  /** When it came in sync after its last start. */
  #inSyncSince_ms = Number.POSITIVE_INFINITY;
  #restartTimer: Timer | undefined;
  /** Why it is not started again. */
  #failedForGood: LaneFailure | undefined;
  #closed = false;

  constructor(options: AppOptions, host: AppHost) {
    this.name = options.description.app;
    this.options = options;
    this.#host = host;
    this.#origin = new AppOrigin({
      ...host,
      name: this.name,
      app: options,
      group: () => this.#group,
      onReplacing: () => {
        this.#vouched = false;
        this.#answers.forget('restored');
        this.digests.forgetOwn();
      },
      fail: (code, reason) => {
        this.#fail(code, reason);
      },
    });
    const { clock, pair } = host.options;
    this.digests = compareDigests({
      ...host,
      name: this.name,
      tasks: () => this.#group?.allTasks ?? [],
      isVouchedFor: () => this.#vouched,
      hasFailedOn: (peer) => this.hasFailedOn(peer),
      giveUpState: (reason) => {
        this.#giveUpState(reason);
      },
    });
    const { description } = options;
    this.#snapshots = new AppSnapshots(
      clock,
      () => this.#vouchedGroup(),
      () => ({
        format: formatVersion,
        pair,
        app: this.name,
        appVersion: description.version,
        topologyHash: description.topologyHash,
        epoch: host.epoch() ?? null,
        takenAt_ms: clock.wall_ms(),
      }),
      () => host.parts.createCompression(),
    );
  }

  get restarts(): number {
    return this.#restarts;
  }

  get statuses(): readonly LaneStatus[] {
    return this.laneStatuses.filter((status) => status !== undefined);
  }

  /** By lane; undefined where a lane has not answered yet. */
  get laneStatuses(): readonly (LaneStatus | undefined)[] {
    return this.#group?.laneStatuses ?? [];
  }

  get snapshotCounts(): SnapshotCounts {
    return this.#snapshots.counts;
  }

  /** Caught up, and vouched for: it could be taken over now. */
  get inSync(): boolean {
    return this.#inSync && this.#vouched;
  }

  /** It has failed there for good: what has been published has to be learnt from the sink. */
  hasFailedOn(peer: Member): boolean {
    return this.#origin.failedOn === peer.incarnation;
  }

  /** Durable published positions as last heard, by publisher and task. */
  get published(): ReadonlyMap<PublisherName, PositionTexts> {
    return this.#published;
  }

  start(): void {
    const { clock, lane } = this.#host.options;
    this.#answers.forgetAll();
    this.#liveLanes.clear();
    this.#inSyncLanes = new Set();
    this.#inSync = false;
    this.#vouched = false;
    this.#epoch = undefined;
    this.digests.startAnew();
    this.#group = new LaneGroup(
      this.options.bundle,
      this.options.lanes,
      {
        clock,
        answerLimit_ms: lane.answerLimit_ms,
        heapLimit_bytes: lane.heapLimit_bytes,
        startLane: this.#host.parts.startLane,
      },
      {
        onDescribed: (described) => {
          this.#onDescribed(described);
        },
        onMessage: (from, message) => {
          this.#onMessage(from, message);
        },
        onFailed: (failure) => {
          this.#onFailed(failure);
        },
      },
    );
  }

  /** Puts state in place; answered by app-restored, app-unborn or app-unavailable. */
  restore(from: RestoreFrom): void {
    this.#origin.restore(from);
  }

  /** Resolves genesis, records it and starts there; answered by app-restored or app-failed. */
  beginAtGenesis(): void {
    this.#genesisAnswers = {};
    this.#answers.forget('genesis');
    this.#post({ type: 'resolve-genesis' });
  }

  /** Steps 2 to 7 of a promotion, on every lane. */
  open(request: OpenRequest): void {
    const { epoch } = request;
    this.#epoch = epoch;
    this.#liveLanes.clear();
    this.#origin.open(request, () => this.#epoch === epoch);
  }

  /** Some of its sinks have no fence. */
  get isUnfenced(): boolean {
    return this.#group?.isUnfenced === true;
  }

  /** Nothing may be under way at sinks without a fence after this time (S11). */
  authorityUntil(until_ms: number): void {
    if (this.isUnfenced) this.#post({ type: 'authority', until_ms });
  }

  verified(publisher: PublisherName, lane: number, epoch: Epoch): void {
    this.#group?.postTo(lane, { type: 'verified', publisher, epoch });
  }

  /** Answered by app-stepped-down. */
  stepDown(): void {
    this.#epoch = undefined;
    this.#answers.forget('stepped-down');
    if (this.#group === undefined) this.#raiseSteppedDown();
    else this.#post({ type: 'step-down' });
  }

  /** Another node makes the state from now on: what nothing of this node's own could help is tried with that. */
  onPassive(): void {
    const failure = this.#failedForGood;
    if (failure === undefined || !needsNewerState(failure)) return;
    if (this.#closed || this.#restarts >= this.#host.options.lane.maxRestarts) return;
    this.#failedForGood = undefined;
    this.#startAgain();
  }

  /** A successor was invited: nothing is begun for this long. */
  hold(limit_ms: number): void {
    this.#post({ type: 'hold', limit_ms });
  }

  /**
   * Durable published positions learnt from the active: the queue lets go of what lies before them. `since_ms`: wall
   * time at which the active had published the first of them, where it told.
   */
  trim(publisher: PublisherName, positions: PositionTexts, since_ms?: number): void {
    this.#note(publisher, positions);
    this.#post({ type: 'trim', publisher, positions, since_ms });
  }

  /** Whether published positions are read from where they are durable. */
  follow(on: boolean): void {
    if (this.#following === on) return;
    this.#following = on;
    this.#post({ type: 'follow', on });
  }

  /** No kept revision needs inputs before these positions. */
  release(positions: PositionTexts): void {
    this.#post({ type: 'release', positions });
  }

  /** A snapshot taken now, gzip: see AppSnapshots. */
  snapshot(onPositions?: (positions: PositionTexts) => void): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#snapshots.take(onPositions);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#restartTimer?.cancel();
    this.digests.close();
    this.#origin.giveUp('the node is closing');
    this.#snapshots.fail('the node is closing');
    await this.#group?.close(closeLimit_ms);
  }

  #vouchedGroup(): LaneGroup {
    // Lanes that were asked to close give no snapshot, and whoever stores one would wait for it for ever.
    if (this.#closed) throw new TandemError('not-vouched', 'the node is closing');
    if (this.#vouched && this.#group !== undefined) return this.#group;
    if (this.#failedForGood !== undefined) {
      const reason = `app '${this.name}' has failed here and is not started again: ${this.#failedForGood.reason}`;
      throw new TandemError('app-failed', reason);
    }
    const reason = `app '${this.name}' has no state here that can be vouched for yet; ask again later`;
    throw new TandemError('not-vouched', reason);
  }

  #post(message: Parameters<LaneGroup['post']>[0]): void {
    this.#group?.post(message);
  }

  #now(): number {
    return this.#host.options.clock.now_ms();
  }

  #onDescribed(described: Described): void {
    const expected = this.options.description;
    if (described.topologyHash !== expected.topologyHash) {
      const reason = 'its lanes built another topology than was described; does build() depend on the environment?';
      this.#fail('app-load', reason);
      return;
    }
    if (this.#following) this.#post({ type: 'follow', on: true });
    this.#host.raise({ type: 'app-described', at_ms: this.#now(), app: this.name, publishers: described.publishers });
  }

  #onMessage(lane: number, message: FromLane): void {
    const { name: app } = this;
    switch (message.type) {
      case 'restore-credit':
        this.#origin.addCredit(lane, message.run, message.credit);
        return;
      case 'restored':
        if (this.#origin.isPresent(message.run) && this.#allAnswered('restored', lane)) {
          this.#vouched = true;
          this.#origin.hasRestored();
          this.#host.raise({ type: 'app-restored', at_ms: this.#now(), app });
          if (this.options.lanes.some(({ digest }) => digest.every_inputs > 0)) this.digests.restored();
        }
        return;
      case 'digests':
        if (!this.#origin.isPresent(message.run)) return;
        this.digests.addOwn(message.digests);
        this.#host.onDigests(app, message.digests);
        return;
      case 'genesis':
        Object.assign(this.#genesisAnswers, message.positions);
        if (this.#allAnswered('genesis', lane)) this.#origin.begin(this.#genesisAnswers);
        return;
      case 'verify-please':
        this.#liveLanes.opened(message.publisher, lane);
        this.#host.raise({
          type: 'verify-please',
          at_ms: this.#now(),
          app,
          lane,
          publisher: message.publisher,
          epoch: message.epoch,
          storedEpoch: message.storedEpoch,
        });
        return;
      case 'live':
        if (message.epoch === this.#epoch && this.#liveLanes.live(message.publisher, lane, this.#group?.size ?? 0)) {
          this.#live(message.publisher, message.epoch);
        }
        return;
      case 'superseded':
        this.#host.raise({
          type: 'publisher-superseded',
          at_ms: this.#now(),
          app,
          publisher: message.publisher,
          byEpoch: message.byEpoch,
        });
        return;
      case 'stepped-down':
        if (this.#allAnswered('stepped-down', lane)) this.#raiseSteppedDown();
        return;
      case 'published':
        this.#note(message.publisher, message.positions);
        this.#host.onPublished(app, message.publisher, message.positions, message.since_ms);
        return;
      case 'lag':
        this.#onLag(lane, message.inSync);
        return;
      case 'snapshot-chunk':
      case 'snapshot-end':
      case 'snapshot-failed':
        this.#snapshots.onMessage(lane, message);
        return;
      case 'log':
        this.#host.options.log[message.level]({ app, lane, ...message.fields }, message.message);
        return;
      case 'described':
      case 'answer':
      case 'failed':
      case 'closed':
        return;
    }
  }

  #allAnswered(what: string, lane: number): boolean {
    return this.#answers.add(what, lane, this.#group?.size ?? 0);
  }

  #onLag(lane: number, inSync: boolean): void {
    if (inSync) this.#inSyncLanes.add(lane);
    else this.#inSyncLanes.delete(lane);
    const all = this.#inSyncLanes.size === (this.#group?.size ?? 0);
    if (all === this.#inSync) return;
    this.#inSync = all;
    if (all) this.#inSyncSince_ms = Math.min(this.#inSyncSince_ms, this.#now());
    this.#host.raise({ type: 'app-lag', at_ms: this.#now(), app: this.name, inSync: all });
  }

  /** S8: nothing more is served from what the role machine does not vouch for any more. */
  #giveUpState(reason: string): void {
    if (this.#host.isMeasured(this.name)) return;
    this.#vouched = false;
    this.#snapshots.fail(reason);
  }

  #note(publisher: PublisherName, positions: PositionTexts): void {
    this.#published.set(publisher, { ...this.#published.get(publisher), ...positions });
  }

  #raiseSteppedDown(): void {
    this.#host.raise({ type: 'app-stepped-down', at_ms: this.#now(), app: this.name });
  }

  #live(publisher: PublisherName, epoch: Epoch): void {
    this.#host.raise({ type: 'publisher-live', at_ms: this.#now(), app: this.name, publisher, epoch });
    this.#origin.initialised(publisher);
  }

  /** Fails the app from this side; `internal` for what passes by itself. */
  #fail(code: FailureCode, reason: string): void {
    const group = this.#group;
    void group?.close(0);
    const blame = code === 'internal' ? 'failure' : 'user';
    this.#onFailed({ lane: 0, code, reason, blame, positions: undefined });
  }

  #onFailed(failure: LaneFailure): void {
    if (this.#closed) return;
    const { lane: limits, log } = this.#host.options;
    this.#group = undefined;
    this.#vouched = false;
    this.#inSync = false;
    this.digests.forgetOwn();
    this.#origin.giveUp('the lane failed');
    this.#snapshots.fail('the lane failed');
    if (failure.code === 'published-position-behind') this.#origin.mustReach(failure.positions);
    const now_ms = this.#now();
    // The limit was spent on noticing, the rest was good.
    if (now_ms - this.#inSyncSince_ms > restartsForgotten_ms + limits.answerLimit_ms) this.#restarts = 0;
    this.#inSyncSince_ms = Number.POSITIVE_INFINITY;
    const isCurable = mayRestartCure(failure, () => this.#host.newerStateMayCome());
    const willRestart = isCurable && this.#restarts < limits.maxRestarts;
    log.error(
      { app: this.name, lane: failure.lane, code: failure.code, reason: failure.reason, willRestart },
      'an app failed',
    );
    this.#host.raise({ type: 'app-failed', at_ms: now_ms, app: this.name, reason: failure.reason, willRestart });
    if (!willRestart) {
      this.#failedForGood = failure;
      return;
    }
    this.#startAgain();
  }

  #startAgain(): void {
    const { clock, lane: limits } = this.#host.options;
    const backoff_ms = limits.restartBackoff_ms * 2 ** this.#restarts;
    this.#restarts++;
    this.#restartTimer = clock.after(backoff_ms, () => {
      if (!this.#closed) this.start();
    });
  }
}
