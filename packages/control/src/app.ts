// One app on this node: its lanes, where its state comes from, its publishers, its snapshots and its restarts.
import type { Described, LaneFailure } from './lane-group.ts';
import type { FromLane, LaneStatus, PositionTexts } from '@tandem/lane';
import type { AppName, Epoch, Member, PairEvent, PublisherName } from '@tandem/pair';
import { TandemError, toError, type Coordinator, type SnapshotStore, type Timer } from '@tandem/ports';
import { formatVersion } from '@tandem/snapshot';
import { agreeOnGenesis, markInitialised, type Genesis } from './app-genesis.ts';
import { Restoring } from './app-restore.ts';
import { SnapshotTaking } from './app-snapshot.ts';
import { LaneGroup } from './lane-group.ts';
import type { AppOptions, NodeOptions } from './options.ts';
import { fetchSnapshot } from './peer-http.ts';

/** What an app needs of the node it runs on. */
export interface AppHost {
  readonly options: NodeOptions;
  readonly coordinator: Coordinator;
  readonly store: SnapshotStore;
  raise(event: PairEvent): void;
  /** Durable published positions moved by our own publishing. */
  onPublished(app: AppName, publisher: PublisherName, positions: PositionTexts): void;
  /** The epoch this node last saw, for the snapshot's header. */
  epoch(): Epoch | undefined;
}

/** After this long without a failure the restarts are counted from none again. */
const restartsForgotten_ms = 60_000;

const closeLimit_ms = 2_000;

/** Pause before a peer that has no state to give yet is asked again. */
const peerRetry_ms = 200;

export class NodeApp {
  readonly name: AppName;
  readonly options: AppOptions;
  readonly #host: AppHost;
  readonly #published = new Map<PublisherName, Record<string, string>>();
  #group: LaneGroup | undefined;
  #restoring: Restoring | undefined;
  /** Counts restores, so that one that was given up says nothing any more. */
  #restoreRun = 0;
  #snapshot: SnapshotTaking | undefined;
  /** Snapshots are taken one after another: a store has one cut at a time. */
  #snapshotQueue: Promise<unknown> = Promise.resolve();
  #snapshots = 0;
  #snapshotCounts: { taken: number; failed: number; lastTook_ms: number | undefined } = {
    taken: 0,
    failed: 0,
    lastTook_ms: undefined,
  };
  /** Lanes that answered what all of them have to answer. */
  #answered = new Map<string, Set<number>>();
  #genesis: Genesis | undefined;
  #genesisAnswers: Record<string, string> = {};
  #epoch: Epoch | undefined;
  #following = false;
  #inSyncLanes = new Set<number>();
  #inSync = false;
  #vouched = false;
  /** Published positions that the next revision must not be beyond (S9). */
  #reach: PositionTexts | undefined;
  #restarts = 0;
  #failedAt_ms = Number.NEGATIVE_INFINITY;
  #restartTimer: Timer | undefined;
  #closed = false;

  constructor(options: AppOptions, host: AppHost) {
    this.name = options.description.app;
    this.options = options;
    this.#host = host;
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

  get snapshotCounts() {
    return this.#snapshotCounts;
  }

  get inSync(): boolean {
    return this.#inSync;
  }

  /** Durable published positions as last heard, by publisher and task. */
  get published(): ReadonlyMap<PublisherName, PositionTexts> {
    return this.#published;
  }

  start(): void {
    const { clock, lane } = this.#host.options;
    this.#answered = new Map();
    this.#inSyncLanes = new Set();
    this.#inSync = false;
    this.#vouched = false;
    this.#epoch = undefined;
    this.#group = new LaneGroup(
      this.options.bundle,
      this.options.lanes,
      { clock, answerLimit_ms: lane.answerLimit_ms },
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
  restore(from: { readonly kind: 'peer'; readonly peer: Member } | { readonly kind: 'store' }): void {
    this.#giveUpRestore('another restore has begun');
    const run = this.#restoreRun;
    const restored = from.kind === 'peer' ? this.#restoreFromPeer(from.peer, run) : this.#restoreFromStore(run);
    restored.catch((error: unknown) => {
      if (run !== this.#restoreRun || this.#closed) return;
      this.#host.raise({ type: 'app-unavailable', at_ms: this.#now(), app: this.name, reason: toError(error).message });
    });
  }

  /** Resolves genesis, records it and starts there; answered by app-restored or app-failed. */
  beginAtGenesis(): void {
    this.#genesisAnswers = {};
    this.#answered.delete('genesis');
    this.#post({ type: 'resolve-genesis' });
  }

  /** Steps 2 to 7 of a promotion, on every lane. */
  open(epoch: Epoch): void {
    this.#epoch = epoch;
    for (const key of [...this.#answered.keys()]) if (key.startsWith('live ')) this.#answered.delete(key);
    const genesis = this.#genesis;
    if (genesis === undefined) {
      this.#readGenesis()
        .then((found) => {
          if (found === undefined)
            this.#fail('its genesis is not recorded although it has state: published position lost');
          else if (this.#epoch === epoch) this.#openWith(epoch, found);
        })
        .catch((error: unknown) => {
          this.#host.options.log.warn(
            { app: this.name, error: toError(error).message },
            'genesis could not be read; trying again',
          );
          this.#host.options.clock.after(100, () => {
            if (this.#epoch === epoch) this.open(epoch);
          });
        });
      return;
    }
    this.#openWith(epoch, genesis);
  }

  verified(publisher: PublisherName, lane: number, epoch: Epoch): void {
    this.#group?.postTo(lane, { type: 'verified', publisher, epoch });
  }

  /** Answered by app-stepped-down. */
  stepDown(): void {
    this.#epoch = undefined;
    this.#answered.delete('stepped-down');
    if (this.#group === undefined) this.#raiseSteppedDown();
    else this.#post({ type: 'step-down' });
  }

  /** Durable published positions learnt from the active: the queue lets go of what lies before them. */
  trim(publisher: PublisherName, positions: PositionTexts): void {
    this.#note(publisher, positions);
    this.#post({ type: 'trim', publisher, positions });
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

  /**
   * A snapshot taken now, gzip. `positions` is complete when the stream has ended.
   * @throws TandemError `not-vouched` while there is no state that can be vouched for (S8).
   */
  async *snapshot(onPositions?: (positions: PositionTexts) => void): AsyncGenerator<Uint8Array, void, undefined> {
    const turn = this.#snapshotQueue;
    let done: () => void = () => undefined;
    this.#snapshotQueue = new Promise<void>((resolve) => {
      done = resolve;
    });
    const { clock } = this.#host.options;
    const asked_ms = clock.now_ms();
    let complete = false;
    try {
      await turn;
      const group = this.#group;
      if (group === undefined || !this.#vouched) {
        throw new TandemError(
          'not-vouched',
          `app '${this.name}' has no state here that can be vouched for yet; ask again later`,
        );
      }
      const { description } = this.options;
      const taking = new SnapshotTaking(group, ++this.#snapshots, {
        format: formatVersion,
        pair: this.#host.options.pair,
        app: this.name,
        appVersion: description.version,
        topologyHash: description.topologyHash,
        epoch: this.#host.epoch() ?? null,
        takenAt_ms: clock.wall_ms(),
      });
      this.#snapshot = taking;
      yield* taking.stream();
      complete = true;
      onPositions?.(taking.positions);
    } finally {
      if (complete) {
        this.#snapshotCounts.taken++;
        this.#snapshotCounts.lastTook_ms = clock.now_ms() - asked_ms;
      } else this.#snapshotCounts.failed++;
      this.#snapshot = undefined;
      done();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#restartTimer?.cancel();
    this.#giveUpRestore('the node is closing');
    this.#snapshot?.fail('the node is closing');
    await this.#group?.close(closeLimit_ms);
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
      this.#fail('its lanes built another topology than was described; does build() depend on the environment?');
      return;
    }
    if (this.#following) this.#post({ type: 'follow', on: true });
    this.#host.raise({ type: 'app-described', at_ms: this.#now(), app: this.name, publishers: described.publishers });
  }

  #onMessage(lane: number, message: FromLane): void {
    const { name: app } = this;
    switch (message.type) {
      case 'restore-credit':
        this.#restoring?.addCredit(lane, message.credit);
        return;
      case 'restored':
        if (this.#allAnswered('restored', lane)) {
          this.#vouched = true;
          this.#host.raise({ type: 'app-restored', at_ms: this.#now(), app });
        }
        return;
      case 'genesis':
        Object.assign(this.#genesisAnswers, message.positions);
        if (this.#allAnswered('genesis', lane)) this.#recordGenesis();
        return;
      case 'verify-please':
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
        if (message.epoch === this.#epoch && this.#allAnswered(`live ${message.publisher}`, lane))
          this.#live(message.publisher, message.epoch);
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
        this.#host.onPublished(app, message.publisher, message.positions);
        return;
      case 'lag':
        this.#onLag(lane, message.inSync);
        return;
      case 'snapshot-chunk':
      case 'snapshot-end':
      case 'snapshot-failed':
        this.#snapshot?.onMessage(lane, message);
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
    const lanes = this.#answered.get(what) ?? new Set();
    this.#answered.set(what, lanes.add(lane));
    if (lanes.size < (this.#group?.size ?? 0)) return false;
    this.#answered.delete(what);
    return true;
  }

  #onLag(lane: number, inSync: boolean): void {
    if (inSync) this.#inSyncLanes.add(lane);
    else this.#inSyncLanes.delete(lane);
    const all = this.#inSyncLanes.size === (this.#group?.size ?? 0);
    if (all === this.#inSync) return;
    this.#inSync = all;
    this.#host.raise({ type: 'app-lag', at_ms: this.#now(), app: this.name, inSync: all });
  }

  #note(publisher: PublisherName, positions: PositionTexts): void {
    this.#published.set(publisher, { ...this.#published.get(publisher), ...positions });
  }

  #raiseSteppedDown(): void {
    this.#host.raise({ type: 'app-stepped-down', at_ms: this.#now(), app: this.name });
  }

  #live(publisher: PublisherName, epoch: Epoch): void {
    this.#host.raise({ type: 'publisher-live', at_ms: this.#now(), app: this.name, publisher, epoch });
    const genesis = this.#genesis;
    if (genesis === undefined || genesis.record.initialised.includes(publisher)) return;
    markInitialised(this.#host.coordinator, this.name, publisher)
      .then((marked) => {
        this.#genesis = marked;
      })
      .catch((error: unknown) => {
        // Harmless until the next opening, which initialises again and keeps what is higher.
        this.#host.options.log.warn(
          { app: this.name, error: toError(error).message },
          'the app record could not be updated',
        );
      });
  }

  #openWith(epoch: Epoch, genesis: Genesis): void {
    const initialised = (this.#group?.publishers ?? []).every((publisher) =>
      genesis.record.initialised.includes(publisher),
    );
    this.#post({ type: 'open', epoch, initialise: initialised ? undefined : genesis.record.genesis });
  }

  #recordGenesis(): void {
    const { lanes, description } = this.options;
    agreeOnGenesis(this.#host.coordinator, this.name, {
      lanes: lanes.length,
      topologyHash: description.topologyHash,
      genesis: this.#genesisAnswers,
      initialised: [],
    })
      .then((genesis) => {
        this.#genesis = genesis;
        this.#post({ type: 'start-at', positions: genesis.record.genesis });
      })
      .catch((error: unknown) => {
        this.#fail(`its genesis could not be recorded: ${toError(error).message}`);
      });
  }

  /** The recorded genesis, checked against this node; undefined when none is recorded. */
  async #readGenesis(): Promise<Genesis | undefined> {
    const found = await this.#host.coordinator.readAppRecord(this.name);
    if (found === undefined) return undefined;
    const { lanes, description } = this.options;
    const { record } = found;
    if (record.lanes !== lanes.length) {
      throw new TandemError(
        'other-lanes',
        `app '${this.name}' was started with ${record.lanes} lanes and is configured with ${lanes.length} here; to change it stop both nodes and run 'tandem reset ${this.name}'`,
        { blame: 'user' },
      );
    }
    if (record.topologyHash !== description.topologyHash) {
      throw new TandemError(
        'other-topology',
        `app '${this.name}' has state of another topology (${record.topologyHash}, here ${description.topologyHash}); deploy the code that made it, or stop both nodes and run 'tandem reset ${this.name}'`,
        { blame: 'user' },
      );
    }
    this.#genesis = found;
    return found;
  }

  async #restoreFromPeer(peer: Member, run: number): Promise<void> {
    await this.#readGenesis();
    const content = await this.#peerSnapshot(peer, run);
    if (content !== undefined) await this.#pour(content);
  }

  /** A peer that has only just started gets the time to restore its own state; undefined: no longer wanted. */
  async #peerSnapshot(peer: Member, run: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { clock, node, stateSync } = this.#host.options;
    const until_ms = clock.now_ms() + stateSync.retry_ms;
    while (run === this.#restoreRun && !this.#closed) {
      try {
        return await fetchSnapshot(peer.address, this.name, node.token);
      } catch (thrown) {
        const notYet = thrown instanceof TandemError && thrown.code === 'not-vouched' && clock.now_ms() < until_ms;
        if (!notYet) throw thrown;
      }
      await new Promise<void>((resolve) => clock.after(peerRetry_ms, resolve));
    }
    return undefined;
  }

  /** Newest revision that fits and is whole; where none is kept, genesis; where that is not recorded, unborn. */
  async #restoreFromStore(run: number): Promise<void> {
    const genesis = await this.#readGenesis();
    const revisions = (await this.#host.store.list(this.name)).filter((revision) =>
      reaches(revision.positions, this.#reach),
    );
    for (const revision of revisions) {
      try {
        await this.#pour(this.#host.store.read(this.name, revision.revision));
        this.#reach = undefined;
        return;
      } catch (thrown) {
        const reason = toError(thrown).message;
        if (run !== this.#restoreRun) return;
        this.#host.options.log.error(
          { app: this.name, revision: revision.revision, reason },
          'a revision cannot be used; trying the one before',
        );
      }
    }
    if (genesis === undefined) {
      if (revisions.length > 0) {
        throw new TandemError(
          'no-usable-revision',
          `none of the ${revisions.length} revisions of app '${this.name}' can be used and its genesis is not recorded`,
        );
      }
      this.#host.raise({ type: 'app-unborn', at_ms: this.#now(), app: this.name });
      return;
    }
    if (!reaches(genesis.record.genesis, this.#reach)) {
      this.#fail('published position lost: no revision reaches back to what the sink says was published');
      return;
    }
    this.#reach = undefined;
    this.#post({ type: 'start-at', positions: genesis.record.genesis });
  }

  async #pour(content: AsyncIterable<Uint8Array>): Promise<void> {
    const group = this.#group;
    if (group === undefined) throw new Error('its lanes are not running');
    this.#answered.delete('restored');
    const restoring = new Restoring(group);
    this.#restoring = restoring;
    const { description } = this.options;
    try {
      await restoring.run(content, {
        pair: this.#host.options.pair,
        app: this.name,
        appVersion: description.version,
        topologyHash: description.topologyHash,
      });
    } finally {
      if (this.#restoring === restoring) this.#restoring = undefined;
    }
  }

  #giveUpRestore(why: string): void {
    this.#restoreRun++;
    this.#restoring?.abandon(why);
  }

  /** Fails the app from this side. */
  #fail(reason: string): void {
    const group = this.#group;
    void group?.close(0);
    this.#onFailed({ lane: 0, code: 'internal', reason, positions: undefined });
  }

  #onFailed(failure: LaneFailure): void {
    if (this.#closed) return;
    const { clock, lane: limits, log } = this.#host.options;
    this.#group = undefined;
    this.#vouched = false;
    this.#giveUpRestore('the lane failed');
    this.#snapshot?.fail('the lane failed');
    if (failure.code === 'published-position-behind') this.#reach = failure.positions;
    const now_ms = this.#now();
    if (now_ms - this.#failedAt_ms > restartsForgotten_ms) this.#restarts = 0;
    this.#failedAt_ms = now_ms;
    const willRestart = this.#restarts < limits.maxRestarts;
    log.error(
      { app: this.name, lane: failure.lane, code: failure.code, reason: failure.reason, willRestart },
      'an app failed',
    );
    this.#host.raise({ type: 'app-failed', at_ms: now_ms, app: this.name, reason: failure.reason, willRestart });
    if (!willRestart) return;
    const backoff_ms = limits.restartBackoff_ms * 2 ** this.#restarts;
    this.#restarts++;
    this.#restartTimer = clock.after(backoff_ms, () => {
      if (!this.#closed) this.start();
    });
  }
}

/** Whether a revision at `positions` lies at or before every position that has to be reached. */
function reaches(positions: PositionTexts, reach: PositionTexts | undefined): boolean {
  if (reach === undefined) return true;
  return Object.entries(reach).every(
    ([task, position]) => Number(positions[task] ?? Number.POSITIVE_INFINITY) <= Number(position),
  );
}
