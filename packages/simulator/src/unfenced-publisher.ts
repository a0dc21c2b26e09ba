// A sink without a fence in memory, for simulated pairs: it takes what anybody sends, one output at a time (S11). What
// has been published is kept where there is a fence, by a MemoryPublisher.
import type { Epoch, Position, Positions, TaskId } from '@tandem/pair';
import type {
  OpenOutcome,
  OutputBatch,
  OutputCursor,
  Publisher,
  PublishOutcome,
  PublisherScope,
  ReadBack,
  SinkLayout,
} from '@tandem/ports';
import { recordOf, type MemoryPublisher, type Written } from './publisher.ts';
import { request, type Wire } from './wire.ts';

const answerLimit_ms = 100;
const retry_ms = 20;

/** Where the outputs go; `opening` says nothing here. */
export class MemoryEndpoint {
  isCut = false;
  onWritten: (written: Written) => void = () => undefined;
}

export class UnfencedMemoryPublisher implements Publisher {
  readonly #endpoint: MemoryEndpoint;
  readonly #positions: MemoryPublisher;
  readonly #scope: PublisherScope;
  readonly #sinks: readonly string[];
  readonly #wire: Wire;
  #epoch: Epoch | undefined;
  #until_ms = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  /** `positions` has the same sinks, and is never given an output. */
  constructor(
    endpoint: MemoryEndpoint,
    positions: MemoryPublisher,
    scope: PublisherScope,
    sinks: readonly string[],
    wire: Wire,
  ) {
    this.#endpoint = endpoint;
    this.#positions = positions;
    this.#scope = scope;
    this.#sinks = sinks;
    this.#wire = wire;
  }

  authorityUntil(until_ms: number): void {
    this.#until_ms = until_ms;
  }

  layout(): Promise<readonly SinkLayout[]> {
    return this.#positions.layout();
  }

  prepare(): Promise<void> {
    return this.#positions.prepare();
  }

  async open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    this.#epoch = epoch;
    return this.#positions.open(epoch, initialise);
  }

  readBack(): Promise<ReadBack> {
    return this.#positions.readBack();
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    return this.#positions.follow(onPositions);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#positions.close();
  }

  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    if (!this.#positions.mayPublish(batch)) return { outcome: 'fenced', byEpoch: undefined };
    const sent = await this.#send(batch);
    if (sent.positions.size === 0) {
      return { outcome: 'retryable', cause: new Error('no authority, or no answer'), wait_ms: retry_ms };
    }
    const moves = batch.moves.flatMap(({ task, from }) => {
      const to = sent.positions.get(task);
      return to === undefined ? [] : [{ task, from, to }];
    });
    const outcome = await this.#positions.publish({ moves, count: 0, size_bytes: 0, outputs: () => emptyCursor });
    return outcome.outcome === 'published' ? { outcome: 'published', part: sent } : outcome;
  }

  /** Whole inputs, for as long as it may and they are answered. */
  async #send(batch: OutputBatch): Promise<{ readonly positions: Map<TaskId, Position>; readonly outputs: number }> {
    const positions = new Map<TaskId, Position>();
    const stopped = new Set<TaskId>();
    let outputs = 0;
    for (const { task, to, records } of recordsByTask(batch)) {
      for (const { sink, partition, position, record } of records) {
        const name = this.#sinks[sink] ?? '';
        if (!(await this.#sendOne({ sink: name, partition, task, position, record }))) {
          stopped.add(task);
          break;
        }
        // The inputs before this one are whole.
        positions.set(task, position as Position);
        outputs++;
      }
      if (!stopped.has(task)) positions.set(task, to);
    }
    for (const { task, from } of batch.moves) if (positions.get(task) === from) positions.delete(task);
    return { positions, outputs };
  }

  async #sendOne(output: Omit<Written, 'scope' | 'epoch' | 'opening'>): Promise<boolean> {
    const epoch = this.#epoch;
    if (epoch === undefined || this.#isClosed || this.#wire.clock.now_ms() >= this.#until_ms) return false;
    const effect = (): void => {
      if (this.#endpoint.isCut) throw new Error('cut');
      this.#endpoint.onWritten({ ...output, scope: this.#scope, epoch, opening: 0 });
    };
    try {
      await request(this.#wire, effect, answerLimit_ms, () => new Error('no answer'));
      return true;
    } catch {
      return false;
    }
  }
}

interface TaskRecords {
  readonly task: TaskId;
  readonly to: Position;
  readonly records: {
    readonly sink: number;
    readonly partition: number;
    readonly position: number;
    readonly record: Written['record'];
  }[];
}

function recordsByTask(batch: OutputBatch): readonly TaskRecords[] {
  const byTask = batch.moves.map(({ task, to }): TaskRecords => ({ task, to, records: [] }));
  const cursor = batch.outputs();
  while (cursor.next()) {
    const { sink, partition, position } = cursor;
    byTask[cursor.task]?.records.push({ sink, partition, position, record: recordOf(cursor) });
  }
  return byTask;
}

const emptyCursor: OutputCursor = {
  next: () => false,
  headers: () => undefined,
  sink: 0,
  partition: 0,
  task: 0,
  position: 0,
  timestamp_ms: 0,
  bytes: Buffer.alloc(0),
  keyStart: 0,
  keyEnd: -1,
  valueStart: 0,
  valueEnd: -1,
};
