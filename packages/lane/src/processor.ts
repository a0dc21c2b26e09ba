// The processing loop: takes what the sources have, applies it record by record, and gives way to the lane's event
// loop between slices. It sleeps when nothing is at hand; readers, publishers and messages wake it.
import type { QueueBudget } from '@tandem/pair';
import type { Clock, SourceBatch, SourceGap, SourceReader } from '@tandem/ports';
import { LaneFailure, toLaneFailure } from './failure.ts';
import type { LaneTask } from './task.ts';

/** Records between two looks at the clock. */
const recordsPerLook = 16;

/** One source of the app, read for the tasks of this lane. */
export interface OpenSource {
  readonly source: string;
  readonly reader: SourceReader;
  /** By partition; undefined where another lane has it. */
  readonly tasks: readonly (LaneTask | undefined)[];
  /** Taken and not yet applied whole. */
  batch: SourceBatch | undefined;
}

export interface ProcessorHost {
  readonly clock: Clock;
  readonly budget: QueueBudget;
  readonly slice_ms: number;
  defer(callback: () => void): void;
  /** Between two slices: publishers, lag. */
  onSlice(): void;
  /** Work of another kind that goes on between slices, in small parts; true while there is more to do at once. */
  sideWork(): boolean;
  fail(failure: LaneFailure): void;
}

export class Processor {
  /** The queues are full: inputs wait until there is room again. */
  paused = false;
  /** Longest time from one turn to the next while there was work, since it was last asked for. */
  longestPause_ms = 0;
  readonly #host: ProcessorHost;
  #sources: readonly OpenSource[] = [];
  #turn = 0;
  #scheduled = false;
  #busySince_ms: number | undefined;
  #stopped = false;
  readonly #onTurn = (): void => {
    this.#takeTurn();
  };

  constructor(host: ProcessorHost) {
    this.#host = host;
  }

  /** Reads these from now on, in place of what it read before. */
  setSources(sources: readonly OpenSource[]): void {
    this.#sources = sources;
    this.paused = false;
    for (const { reader } of sources) {
      reader.onReady = () => {
        this.wake();
      };
    }
    this.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#sources = [];
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#host.defer(this.#onTurn);
  }

  #takeTurn(): void {
    this.#scheduled = false;
    if (this.#stopped) return;
    const started_ms = this.#host.clock.now_ms();
    if (this.#busySince_ms !== undefined) {
      this.longestPause_ms = Math.max(this.longestPause_ms, started_ms - this.#busySince_ms);
    }
    let more = false;
    try {
      more = this.#processSlice(started_ms + this.#host.slice_ms);
      if (this.#isStopped()) return;
      this.#host.onSlice();
      if (this.#host.sideWork()) more = true;
    } catch (thrown) {
      this.stop();
      this.#host.fail(toLaneFailure(thrown, 'internal'));
      return;
    }
    this.#busySince_ms = more ? started_ms : undefined;
    if (more) this.wake();
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  /** True when there is more at hand. */
  #processSlice(until_ms: number): boolean {
    const { clock, budget } = this.#host;
    if (this.paused) {
      if (!budget.hasRoomAgain()) return false;
      this.#setPaused(false);
    }
    for (;;) {
      const source = this.#nextSource();
      if (source === undefined) return false;
      const more = this.#apply(source, recordsPerLook);
      if (!more) source.batch = undefined;
      if (budget.isFull()) {
        this.#setPaused(true);
        return false;
      }
      if (clock.now_ms() >= until_ms) return true;
    }
  }

  /** The next one, in turn, that has a batch at hand. */
  #nextSource(): OpenSource | undefined {
    const sources = this.#sources;
    for (let step = 0; step < sources.length; step++) {
      const at = (this.#turn + step) % sources.length;
      const source = sources[at];
      if (source === undefined) continue;
      if (source.batch === undefined) {
        const taken = source.reader.take();
        if (taken === undefined) continue;
        if (taken.kind === 'gap') {
          throw gap(source.source, taken);
        }
        source.batch = taken;
      }
      this.#turn = at;
      return source;
    }
    return undefined;
  }

  /** Applies up to `count` records of the source's batch; false when it is used up. */
  #apply(source: OpenSource, count: number): boolean {
    const batch = source.batch;
    const task = batch === undefined ? undefined : source.tasks[batch.partition];
    if (batch === undefined || task === undefined)
      throw new Error(`'${source.source}' handed out what was not asked for`);
    const { program } = task;
    for (let left = count; left > 0; left--) {
      if (!batch.next()) {
        task.advanceTo(batch.nextPosition);
        this.#turn++;
        return false;
      }
      if (batch.position < task.position) {
        throw new Error(`${task.identity.id}: position ${String(batch.position)} after ${String(task.position)}`);
      }
      if (batch.position >= task.nextDigest) task.digestBefore(batch.position);
      program.process(batch);
      task.endInput(batch.position);
      // One input may pass the limit, a second one must not (S6).
      if (this.#host.budget.isFull()) return true;
    }
    return true;
  }

  #setPaused(paused: boolean): void {
    this.paused = paused;
    for (const { reader, tasks } of this.#sources) {
      for (let partition = 0; partition < tasks.length; partition++) {
        if (tasks[partition] !== undefined) reader.setPaused(partition, paused);
      }
    }
  }
}

function gap(source: string, { partition, wanted, first }: SourceGap): LaneFailure {
  const where = `partition ${String(partition)} position ${String(wanted)}`;
  return new LaneFailure(
    'input-gap',
    wanted < first
      ? `source '${source}' no longer holds ${where}: the first that is there is ${String(first)}; a newer snapshot or a reset is needed`
      : `source '${source}' ends before ${where}; was it deleted and made anew? A reset is needed`,
    { blame: 'user' },
  );
}
