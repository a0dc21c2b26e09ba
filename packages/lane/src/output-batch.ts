// What is published at a time: whole inputs from the queues of all tasks, within the limits, fair over the tasks.
import { QueueCursor, type OutputQueue, type QueueSlice } from '@tandem/pair';
import type { OutputBatch, OutputCursor, PositionMove } from '@tandem/ports';

export interface BatchLimits {
  readonly outputs: number;
  readonly size_bytes: number;
}

/** The slices themselves are the moves: no object per batch but this one. */
export class SliceBatch implements OutputBatch {
  readonly moves: readonly (PositionMove & QueueSlice)[];
  readonly count: number;
  readonly size_bytes: number;
  readonly #cursor: QueueCursor;

  constructor(slices: readonly QueueSlice[], cursor: QueueCursor) {
    this.moves = slices;
    this.#cursor = cursor;
    let count = 0;
    let size_bytes = 0;
    for (const slice of slices) {
      count += slice.count;
      size_bytes += slice.size_bytes;
    }
    this.count = count;
    this.size_bytes = size_bytes;
  }

  outputs(): OutputCursor {
    this.#cursor.reset(this.moves);
    return this.#cursor;
  }
}

/**
 * Takes the next batch from the queues; undefined when there is nothing to publish. Positions that move without
 * outputs go along with outputs, and by themselves only when `positionsAlone` says so.
 */
export class BatchComposer {
  readonly #limits: BatchLimits;
  readonly #cursor = new QueueCursor();
  /** The task that comes first: another one each time. */
  #turn = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  compose(queues: readonly OutputQueue[], positionsAlone: boolean): SliceBatch | undefined {
    let waiting = 0;
    for (const queue of queues) if (queue.count > 0 && queue.head < queue.end) waiting++;
    if (waiting === 0 && !positionsAlone) return undefined;
    const slices: QueueSlice[] = [];
    let outputs = this.#limits.outputs;
    let size_bytes = this.#limits.size_bytes;
    for (let index = 0; index < queues.length; index++) {
      const queue = queues[(this.#turn + index) % queues.length];
      if (queue === undefined) continue;
      const hasOutputs = queue.count > 0 && queue.head < queue.end;
      if (hasOutputs && (outputs <= 0 || size_bytes <= 0)) continue;
      const slice = queue.slice(
        hasOutputs
          ? { outputs: Math.ceil(outputs / waiting), size_bytes: Math.ceil(size_bytes / waiting) }
          : this.#limits,
      );
      if (hasOutputs) waiting--;
      if (slice === undefined) continue;
      outputs -= slice.count;
      size_bytes -= slice.size_bytes;
      slices.push(slice);
    }
    this.#turn = (this.#turn + 1) % Math.max(1, queues.length);
    return slices.length === 0 ? undefined : new SliceBatch(slices, this.#cursor);
  }
}
