// Tells published positions as they become durable, by waiting for what is written next; fences nobody.
import type { Position, Positions, TaskId } from '@tandem/pair';
import { toError } from '@tandem/ports';
import type { Cluster } from './cluster.ts';
import type { PublishedRecord } from './positions-topic.ts';
import type { PositionsTail } from './positions-tail.ts';

export interface FollowSettings {
  /** How long one question waits for an answer. */
  readonly poll_ms: number;
  readonly readLimit_ms: number;
  readonly retryFirst_ms: number;
  readonly retryMost_ms: number;
}

/** Runs until stopped; goes on by itself after every failure (L2). `report` is called with what moved since the last call. */
export class Follower {
  readonly #cluster: Cluster;
  readonly #tail: PositionsTail;
  readonly #tasks: ReadonlySet<TaskId>;
  readonly #report: (positions: Positions) => void;
  readonly #trouble: (message: string) => void;
  readonly #settings: FollowSettings;
  readonly #known = new Map<TaskId, Position>();
  #isStopped = false;
  #wake: () => void = () => undefined;
  readonly #running: Promise<void>;

  constructor(
    cluster: Cluster,
    tail: PositionsTail,
    tasks: readonly TaskId[],
    report: (positions: Positions) => void,
    trouble: (message: string) => void,
    settings: FollowSettings,
  ) {
    this.#cluster = cluster;
    this.#tail = tail;
    this.#tasks = new Set(tasks);
    this.#report = report;
    this.#trouble = trouble;
    this.#settings = settings;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    // The question that is under way would be answered in its own time.
    this.#cluster.disconnect('follow');
    await this.#running;
  }

  async #run(): Promise<void> {
    const { poll_ms, readLimit_ms, retryFirst_ms, retryMost_ms } = this.#settings;
    let wait_ms = retryFirst_ms;
    // It may have been read already, to prepare.
    this.#tell(this.#tail.last);
    while (!this.#stopped()) {
      try {
        this.#tell(await this.#tail.waitForNext(poll_ms, readLimit_ms));
        wait_ms = retryFirst_ms;
      } catch (thrown) {
        if (this.#stopped()) return;
        this.#trouble(`following published positions: ${toError(thrown).message}`);
        await this.#sleep(wait_ms);
        wait_ms = Math.min(wait_ms * 2, retryMost_ms);
      }
    }
  }

  #tell(record: PublishedRecord | undefined): void {
    const moved = new Map<TaskId, Position>();
    for (const [task, position] of record?.positions ?? []) {
      if (!this.#tasks.has(task) || this.#known.get(task) === position) continue;
      this.#known.set(task, position);
      moved.set(task, position);
    }
    if (moved.size > 0 && !this.#isStopped) this.#report(moved);
  }

  /** Read afresh: it may have been stopped during any wait. */
  #stopped(): boolean {
    return this.#isStopped;
  }

  async #sleep(wait_ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#cluster.clock.after(wait_ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
