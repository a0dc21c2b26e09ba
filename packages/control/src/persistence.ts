// Keeps revisions of the active's snapshots: one every interval, the newest few kept, never a reason to stop (L2).
import type { AppName, Epoch } from '@tandem/pair';
import { TandemError, toError, type Clock, type RevisionInfo, type SnapshotStore, type Timer } from '@tandem/ports';
import type { PositionTexts } from '@tandem/lane';
import type { NodeApp } from './app.ts';
import type { NodeLog } from './log.ts';

export interface PersistenceOptions {
  readonly interval_ms: number;
  readonly keep: number;
}

export interface Persisted {
  readonly revision: number;
  readonly size_bytes: number;
}

export interface PersistenceReport {
  /** Revisions stored, and tries that failed, by this process. */
  readonly stored: number;
  readonly failed: number;
  readonly last: (Persisted & { readonly at_ms: number }) | undefined;
  /** Undefined once a revision has been stored again. */
  readonly lastError: string | undefined;
}

/** After a failed write the next try comes sooner than the interval. */
const retry_ms = 5_000;

export class Persistence {
  readonly #app: NodeApp;
  readonly #store: SnapshotStore;
  readonly #options: PersistenceOptions;
  readonly #clock: Clock;
  readonly #log: NodeLog;
  /** The epoch this node publishes in; undefined while it must not write. */
  readonly #epoch: () => Epoch | undefined;
  readonly #onFenced: () => void;
  #timer: Timer | undefined;
  #writing: Promise<Persisted> | undefined;
  #closed = false;
  #report: PersistenceReport = { stored: 0, failed: 0, last: undefined, lastError: undefined };

  constructor(
    app: NodeApp,
    store: SnapshotStore,
    options: PersistenceOptions,
    context: {
      readonly clock: Clock;
      readonly log: NodeLog;
      readonly epoch: () => Epoch | undefined;
      readonly onFenced: () => void;
    },
  ) {
    this.#app = app;
    this.#store = store;
    this.#options = options;
    this.#clock = context.clock;
    this.#log = context.log;
    this.#epoch = context.epoch;
    this.#onFenced = context.onFenced;
    this.#schedule(options.interval_ms);
  }

  get report(): PersistenceReport {
    // A node that does not publish stores nothing: what kept it from doing so earlier is nobody's trouble any more.
    return this.#epoch() === undefined ? { ...this.#report, lastError: undefined } : this.#report;
  }

  /** Takes and stores a revision now, or joins the one under way. @throws TandemError when it is not stored. */
  now(): Promise<Persisted> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(delay_ms: number): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(delay_ms, () => {
      void this.#round();
    });
  }

  async #round(): Promise<void> {
    let next_ms = this.#options.interval_ms;
    if (this.#epoch() !== undefined) {
      try {
        await this.now();
      } catch (thrown) {
        next_ms = Math.min(retry_ms, next_ms);
        this.#log.error(
          { app: this.#app.name, reason: toError(thrown).message },
          'a revision could not be stored; trying again',
        );
      }
    }
    this.#schedule(next_ms);
  }

  async #write(): Promise<Persisted> {
    const epoch = this.#epoch();
    const { name } = this.#app;
    const { description } = this.#app.options;
    if (epoch === undefined) {
      throw new TandemError(
        'not-active',
        `revisions of app '${name}' are stored by the active node; this one is not active`,
      );
    }
    let positions: PositionTexts = {};
    try {
      const outcome = await this.#store.write(
        { app: name, appVersion: description.version, topologyHash: description.topologyHash, epoch },
        this.#app.snapshot((cut) => {
          positions = cut;
        }),
        () => positions,
      );
      if (outcome.outcome === 'fenced') {
        this.#onFenced();
        throw new TandemError(
          'not-active',
          `a newer epoch (${outcome.byEpoch ?? 'unknown'}) stores the revisions of app '${name}' now`,
        );
      }
      const persisted = { revision: outcome.revision, size_bytes: outcome.size_bytes };
      this.#report = {
        ...this.#report,
        stored: this.#report.stored + 1,
        last: { ...persisted, at_ms: this.#clock.wall_ms() },
        lastError: undefined,
      };
      await this.#prune(name);
      return persisted;
    } catch (thrown) {
      this.#report = { ...this.#report, lastError: toError(thrown).message, failed: this.#report.failed + 1 };
      throw thrown;
    }
  }

  async #prune(name: AppName): Promise<void> {
    await this.#store.prune(name, this.#options.keep);
    this.#app.release(lowestPositions(await this.#store.list(name)));
  }
}

/** Per task, the lowest position of any revision: inputs before it are needed by none. */
export function lowestPositions(revisions: readonly Pick<RevisionInfo, 'positions'>[]): PositionTexts {
  const lowest: Record<string, string> = {};
  for (const { positions } of revisions) {
    for (const [task, position] of Object.entries(positions)) {
      if (Number(position) < Number(lowest[task] ?? Number.POSITIVE_INFINITY)) lowest[task] = position;
    }
  }
  return lowest;
}
