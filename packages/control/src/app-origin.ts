// Where an app's state comes from: a peer's snapshot, a revision in the store, or genesis.
import type { FailureCode, PositionTexts } from '@tandem/lane';
import type { AppName, Epoch, Incarnation, Member, PublisherName } from '@tandem/pair';
import { TandemError, toError, type AppRecord, type RevisionInfo } from '@tandem/ports';
import { agreeOnGenesis, markInitialised, type Genesis } from './app-genesis.ts';
import { Restoring } from './app-restore.ts';
import type { AppHost } from './app-host.ts';
import type { LaneGroup } from './lane-group.ts';
import type { AppOptions } from './options.ts';
import { StateTries } from './state-tries.ts';
import { StoredContent } from './stored-content.ts';

/** Whoever says this has been given the time already, or will not have anything else to say soon. */
const notSoon: ReadonlySet<string> = new Set(['not-vouched', 'no-usable-revision']);

/** Pause before a peer that has no state to give yet, or a coordinator that did not answer, is asked again. */
const poll_ms = 200;

export type RestoreFrom = { readonly kind: 'peer'; readonly peer: Member } | { readonly kind: 'store' };

export interface OpenRequest {
  readonly epoch: Epoch;
  /** Before that nothing is done at sinks without a fence (S11). */
  readonly unfencedFrom_ms: number | undefined;
}

export interface OriginHost extends AppHost {
  readonly name: AppName;
  readonly app: AppOptions;
  /** The lanes that run now. */
  group(): LaneGroup | undefined;
  /** State is about to be replaced: answers of the lanes that came before do not count. */
  onReplacing(): void;
  fail(code: FailureCode, reason: string): void;
}

export class AppOrigin {
  readonly #host: OriginHost;
  #restoring: Restoring | undefined;
  readonly #tries = new StateTries();
  /** Where the state was asked for last. */
  #source: RestoreFrom['kind'] = 'store';
  #failedOn: Incarnation | undefined;
  /** Counts restores, so that one that was given up says nothing any more. */
  #run = 0;
  /** Counts what the lanes were told to begin with, so that an answer to an earlier one is known as such. */
  #begun = 0;
  #genesis: Genesis | undefined;
  /** Published positions that the next revision must not be beyond (S9). */
  #reach: PositionTexts | undefined;

  constructor(host: OriginHost) {
    this.#host = host;
  }

  /** Answered by app-unborn or app-unavailable, or by the lanes when they are restored. */
  restore(from: RestoreFrom): void {
    this.giveUp('another restore has begun');
    const run = this.#run;
    this.#source = from.kind;
    this.#tries.askOf(from.kind === 'peer' ? from.peer.incarnation : 'the store');
    const restored = from.kind === 'peer' ? this.#fromPeer(from.peer, run) : this.#fromStore(run);
    restored.catch((error: unknown) => {
      if (run === this.#run) this.#unavailable(error);
    });
  }

  /** The active that has failed the app for good, so that the state had to come from the store. */
  get failedOn(): Incarnation | undefined {
    return this.#failedOn;
  }

  /** The state that was asked for is in place. */
  hasRestored(): void {
    this.#tries.succeeded();
  }

  /** Ends the restore under way, if there is one. */
  giveUp(why: string): void {
    this.#run++;
    this.#begun++;
    this.#restoring?.abandon(why);
    this.#restoring = undefined;
  }

  addCredit(lane: number, begun: number, credit: number): void {
    if (this.isPresent(begun)) this.#restoring?.addCredit(lane, credit);
  }

  /** Whether an answer of a lane is to what it was told last, and that has not been given up. */
  isPresent(begun: number): boolean {
    return begun === this.#begun;
  }

  /** The sink has published less than the last state took for published: an older revision has to reach this (S9). */
  mustReach(positions: PositionTexts | undefined): void {
    this.#reach = positions;
  }

  /** Records where the app begins, unless it is recorded already, and starts the lanes there. */
  begin(positions: PositionTexts): void {
    const { name, app, coordinator } = this.#host;
    const run = this.#run;
    agreeOnGenesis(coordinator, name, {
      lanes: app.lanes.length,
      appVersion: app.description.version,
      topologyHash: app.description.topologyHash,
      genesis: positions,
      initialised: [],
    })
      .then((genesis) => {
        if (run !== this.#run) return;
        this.#refuseOtherApp(genesis.record);
        this.#genesis = genesis;
        this.#startAt(genesis.record.genesis);
      })
      .catch((error: unknown) => {
        if (run !== this.#run) return;
        this.#host.fail('internal', `it could not begin: ${toError(error).message}`);
      });
  }

  /** Opens the publishers, with published positions to begin with where that has not been done; `wanted` may end it. */
  open(request: OpenRequest, wanted: () => boolean): void {
    const genesis = this.#genesis;
    if (genesis !== undefined) {
      this.#openWith(request, genesis);
      return;
    }
    const { name, options } = this.#host;
    this.#readGenesis()
      .then((found) => {
        if (!wanted()) return;
        if (found === undefined) {
          this.#host.fail(
            'published-position-lost',
            'published position lost: its genesis is not recorded although it has state',
          );
        } else this.#openWith(request, found);
      })
      .catch((error: unknown) => {
        options.log.warn({ app: name, error: toError(error).message }, 'genesis could not be read; trying again');
        options.clock.after(poll_ms, () => {
          if (wanted()) this.open(request, wanted);
        });
      });
  }

  /** From now on a missing published position of this publisher is a lost one. */
  initialised(publisher: PublisherName): void {
    const genesis = this.#genesis;
    if (genesis === undefined || genesis.record.initialised.includes(publisher)) return;
    const { name, coordinator, options } = this.#host;
    markInitialised(coordinator, name, publisher)
      .then((marked) => {
        this.#genesis = marked;
      })
      .catch((error: unknown) => {
        // Harmless until the next opening, which initialises again and keeps what is higher.
        options.log.warn({ app: name, error: toError(error).message }, 'the app record could not be updated');
      });
  }

  #unavailable(thrown: unknown): void {
    const { name, options } = this.#host;
    const { clock, log, stateSync } = options;
    const soon_ms = isInVainSoon(thrown) ? undefined : this.#tries.next_ms(this.#source);
    const retry_ms = Math.min(soon_ms ?? stateSync.retry_ms, stateSync.retry_ms);
    const reason = toError(thrown).message;
    log.warn({ app: name, from: this.#source, reason, retry_ms }, 'its state could not be had; asking again');
    this.#host.raise({ type: 'app-unavailable', at_ms: clock.now_ms(), app: name, reason, retry_ms });
  }

  #openWith({ epoch, unfencedFrom_ms }: OpenRequest, genesis: Genesis): void {
    const { genesis: positions, initialised } = genesis.record;
    const publishers = this.#host.group()?.publishers ?? [];
    const done = publishers.every((publisher) => initialised.includes(publisher));
    this.#host.group()?.post({ type: 'open', epoch, unfencedFrom_ms, initialise: done ? undefined : positions });
  }

  #startAt(positions: PositionTexts): void {
    const group = this.#host.group();
    this.#host.onReplacing();
    group?.post({ type: 'start-at', run: ++this.#begun, positions });
  }

  /** The recorded genesis, checked against this node; undefined when none is recorded. */
  async #readGenesis(): Promise<Genesis | undefined> {
    const found = await this.#host.coordinator.readAppRecord(this.#host.name);
    if (found === undefined) return undefined;
    this.#refuseOtherApp(found.record);
    this.#genesis = found;
    return found;
  }

  /** It began with other code or lanes than there are here. */
  #refuseOtherApp(record: AppRecord): void {
    const { name, app } = this.#host;
    const { lanes } = app;
    if (record.lanes !== lanes.length) {
      throw new TandemError(
        'other-lanes',
        `app '${name}' was started with ${record.lanes} lanes and is configured with ${lanes.length} here; to change it stop both nodes and run 'tandem reset ${name}'`,
        { blame: 'user' },
      );
    }
    this.#refuseOtherCode(record);
  }

  /** State of other code is never replaced by a replay with this code: what was published came from the other. */
  #refuseOtherCode(stored: Pick<RevisionInfo, 'appVersion' | 'topologyHash'>): void {
    const { name, app } = this.#host;
    const { version, topologyHash } = app.description;
    const todo = `deploy the code that made it, or stop both nodes and run 'tandem reset ${name}'`;
    if (stored.appVersion !== version) {
      throw new TandemError(
        'other-version',
        `app '${name}' has state of version ${stored.appVersion}, here is version ${version}; ${todo}`,
        { blame: 'user' },
      );
    }
    if (stored.topologyHash !== topologyHash) {
      throw new TandemError(
        'other-topology',
        `app '${name}' has state of another topology (${stored.topologyHash}, here ${topologyHash}); ${todo}`,
        { blame: 'user' },
      );
    }
  }

  async #fromPeer(peer: Member, run: number): Promise<void> {
    await this.#readGenesis();
    const content = await this.#peerSnapshot(peer, run);
    if (run !== this.#run) return;
    if (content === 'failed') {
      const { name, options } = this.#host;
      options.log.warn({ app: name, active: peer.node }, 'the active has failed this app; asking the store');
      this.#source = 'store';
      this.#failedOn = peer.incarnation;
      await this.#fromStore(run);
    } else if (content !== undefined) await this.#pour(content);
  }

  /**
   * A peer that has only just started gets the time to restore its own state. `failed`: it never will, so the store is
   * the place to ask, as without live sync; undefined: no longer wanted.
   */
  async #peerSnapshot(peer: Member, run: number): Promise<AsyncIterable<Uint8Array> | 'failed' | undefined> {
    const { clock, node, stateSync } = this.#host.options;
    const until_ms = clock.now_ms() + stateSync.retry_ms;
    while (run === this.#run) {
      try {
        return await this.#host.parts.network.snapshot(peer.address, this.#host.name, node.token);
      } catch (thrown) {
        const code = thrown instanceof TandemError ? thrown.code : undefined;
        if (code === 'app-failed') return 'failed';
        if (code !== 'not-vouched' || clock.now_ms() >= until_ms) throw thrown;
      }
      await new Promise<void>((resolve) => clock.after(poll_ms, resolve));
    }
    return undefined;
  }

  /**
   * Newest revision that fits and is whole; where none is kept, genesis; where that is not recorded, unborn. A revision
   * that could not be read is there all the same: it is asked for again, and genesis is no way round it.
   */
  async #fromStore(run: number): Promise<void> {
    const { name, options } = this.#host;
    const genesis = await this.#readGenesis();
    const kept = await this.#host.store.list(name);
    if (run !== this.#run) return;
    if (kept[0] !== undefined) this.#refuseOtherCode(kept[0]);
    const revisions = kept.filter((revision) => reaches(revision.positions, this.#reach));
    let unread: Error | undefined;
    for (const { revision } of revisions) {
      const content = new StoredContent(this.#host.store.read(name, revision));
      try {
        await this.#pour(content);
        this.#reach = undefined;
        return;
      } catch (thrown) {
        if (run !== this.#run) return;
        const reason = toError(thrown).message;
        if (content.failure === undefined) {
          options.log.error({ app: name, revision, reason }, 'a revision cannot be used; trying the one before');
          continue;
        }
        unread ??= content.failure;
        // It is there, and may be read in a moment: one before it is only better when that has gone on for a while.
        if (this.#tries.areQuick) break;
        options.log.error({ app: name, revision, reason }, 'a revision cannot be read; trying the one before');
      }
    }
    if (unread !== undefined) {
      throw new TandemError(
        'revisions-unread',
        `the revisions of app '${name}' cannot be read at the moment: ${unread.message}`,
        { cause: unread },
      );
    }
    if (genesis === undefined) {
      if (revisions.length > 0) {
        throw new TandemError(
          'no-usable-revision',
          `none of the ${revisions.length} revisions of app '${name}' can be used and its genesis is not recorded`,
        );
      }
      this.#host.raise({ type: 'app-unborn', at_ms: options.clock.now_ms(), app: name });
      return;
    }
    if (!reaches(genesis.record.genesis, this.#reach)) {
      this.#host.fail(
        'published-position-lost',
        'published position lost: no revision reaches back to what the sink says was published',
      );
      return;
    }
    this.#reach = undefined;
    this.#startAt(genesis.record.genesis);
  }

  async #pour(content: AsyncIterable<Uint8Array>): Promise<void> {
    const { name, app, options } = this.#host;
    const group = this.#host.group();
    if (group === undefined) throw new Error('its lanes are not running');
    this.#host.onReplacing();
    const restoring = new Restoring(group, ++this.#begun);
    this.#restoring = restoring;
    try {
      await restoring.run(this.#host.parts.unpack(content), {
        pair: options.pair,
        app: name,
        appVersion: app.description.version,
        topologyHash: app.description.topologyHash,
      });
    } finally {
      if (this.#restoring === restoring) this.#restoring = undefined;
    }
  }
}

/** Whether asking again soon would be in vain. */
function isInVainSoon(thrown: unknown): boolean {
  return thrown instanceof TandemError && (thrown.blame === 'user' || notSoon.has(thrown.code));
}

/** Whether a revision at `positions` lies at or before every position that has to be reached. */
function reaches(positions: PositionTexts, reach: PositionTexts | undefined): boolean {
  if (reach === undefined) return true;
  return Object.entries(reach).every(
    ([task, position]) => Number(positions[task] ?? Number.POSITIVE_INFINITY) <= Number(position),
  );
}
