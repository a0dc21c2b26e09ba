// A sink system in memory, for simulated pairs: one MemorySinks is the service, with logs, fences and published
// positions; each MemoryPublisher is a client. Requests and answers each take a moment of the given clock.
import type { AppName, Epoch, Position, Positions, TaskId } from '@tandem/pair';
import {
  TandemError,
  type Clock,
  type OpenOutcome,
  type OutputBatch,
  type OutputCursor,
  type Publisher,
  type PublisherScope,
  type PublishOutcome,
  type ReadBack,
  type SinkLayout,
} from '@tandem/ports';
import type { MemoryLog, MemoryRecord } from './source-log.ts';
import { directWire, request, type Wire } from './wire.ts';

export interface MemorySinksOptions {
  readonly clock: Clock;
  /** How long the next message takes, either way; default 1 ms each. */
  readonly delay_ms?: () => number;
  /**
   * What an opening is refused by, and what a publishing is: `epoch`, as in PostgreSQL, a higher epoch and a later
   * opening; `opening`, as in Kafka, nothing and a later opening. Default `epoch`.
   */
  readonly fence?: 'epoch' | 'opening';
}

interface Fence {
  /** Of the last opening. */
  epoch: Epoch;
  opening: number;
  /** Of the last opening that published, or began the positions. */
  writtenIn: Epoch | undefined;
}

/** One output as it arrived at a sink. */
export interface Written {
  readonly scope: PublisherScope;
  readonly epoch: Epoch;
  readonly opening: number;
  readonly sink: string;
  readonly partition: number;
  readonly task: TaskId;
  /** Of its input. */
  readonly position: number;
  readonly record: MemoryRecord;
}

/** A publishing that took place. */
export interface Published {
  readonly app: AppName;
  /** All of its publisher, whether they got anything or not. */
  readonly sinks: readonly string[];
  readonly moves: readonly { readonly task: TaskId; readonly to: Position }[];
}

/** A batch as it is sent: what the queue's bytes become later does not matter any more. */
interface Sent {
  readonly moves: readonly { readonly task: TaskId; readonly from: Position; readonly to: Position }[];
  readonly outputs: readonly Omit<Written, 'scope' | 'epoch' | 'opening'>[];
}

/** A connection of a publisher; what it sent is dropped once it has ended. */
interface Session {
  isEnded: boolean;
}

type TransactionOutcome =
  | { readonly outcome: 'published' }
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined }
  | { readonly outcome: 'retryable'; readonly cause: Error; readonly wait_ms: number };

const retry_ms = 20;
const answerLimit_ms = 1000;
const followPoll_ms = 50;

/** What all clients share. Every request takes effect in a single step. */
export class MemorySinks {
  readonly clock: Clock;
  readonly delay_ms: () => number;
  readonly #fences = new Map<string, Fence>();
  readonly #published = new Map<string, Map<TaskId, Position>>();
  /** Publishing answers `retryable` while set. */
  isBlocked = false;
  /** Nobody gets through while set. */
  isCut = false;
  /** Told of every output as it is written, after the positions have moved. */
  onWritten: (written: Written) => void = () => undefined;
  /** Told of every publishing that took place, after its outputs. */
  onPublished: (published: Published) => void = () => undefined;
  /** Told of every opening that takes place. */
  onOpened: (scope: PublisherScope, epoch: Epoch) => void = () => undefined;
  readonly #fencesBy: 'epoch' | 'opening';

  constructor(options: MemorySinksOptions) {
    this.clock = options.clock;
    this.delay_ms = options.delay_ms ?? (() => 1);
    this.#fencesBy = options.fence ?? 'epoch';
  }

  /** Whether a stored epoch says anything about who opened last. */
  get knowsEpochs(): boolean {
    return this.#fencesBy === 'epoch';
  }

  /** A client such as another process would have; `logs` by sink, in the order of the app's sink numbers. */
  connect(
    logs: readonly { readonly sink: string; readonly log: MemoryLog }[],
    scope: PublisherScope,
    wire: Wire = directWire(this.clock, this.delay_ms),
  ): MemoryPublisher {
    return new MemoryPublisher(this, logs, scope, wire);
  }

  open(
    scope: PublisherScope,
    epoch: Epoch,
    initialise: Positions | undefined,
  ): { readonly outcome: OpenOutcome; readonly opened?: { readonly opening: number; readonly positions: Positions } } {
    const key = fenceKey(scope);
    const held = this.#fences.get(key);
    if (this.knowsEpochs && held !== undefined && held.epoch > epoch) {
      return { outcome: { outcome: 'fenced', byEpoch: held.epoch } };
    }
    const opening = (held?.opening ?? 0) + 1;
    this.#fences.set(key, { epoch, opening, writtenIn: initialise === undefined ? held?.writtenIn : epoch });
    this.onOpened(scope, epoch);
    const positions = this.#positionsOf(scope);
    for (const [task, position] of initialise ?? []) {
      if ((positions.get(task) ?? -1) < position) positions.set(task, position);
    }
    return {
      outcome: { outcome: 'opened', storedEpoch: this.knowsEpochs ? held?.epoch : undefined },
      opened: { opening, positions: new Map(positions) },
    };
  }

  /** Positions of an app as if they had been published before. */
  begin(scope: Pick<PublisherScope, 'pair' | 'app'>, positions: Positions): void {
    for (const [task, position] of positions) this.#positionsOf(scope).set(task, position);
  }

  fence(scope: PublisherScope): Readonly<Fence> | undefined {
    return this.#fences.get(fenceKey(scope));
  }

  positions(scope: Pick<PublisherScope, 'pair' | 'app'>): Positions {
    return new Map(this.#positionsOf(scope));
  }

  publish(scope: PublisherScope, epoch: Epoch, opening: number, batch: Sent): TransactionOutcome {
    const held = this.#fences.get(fenceKey(scope));
    const positions = this.#positionsOf(scope);
    const fits = !this.knowsEpochs || batch.moves.every((move) => positions.get(move.task) === move.from);
    if (held?.epoch !== epoch || held.opening !== opening || !fits) {
      return { outcome: 'fenced', byEpoch: this.knowsEpochs ? held?.epoch : undefined };
    }
    if (this.isBlocked) return { outcome: 'retryable', cause: new Error('the sink is blocked'), wait_ms: retry_ms };
    for (const move of batch.moves) positions.set(move.task, move.to);
    held.writtenIn = epoch;
    for (const output of batch.outputs) this.onWritten({ ...output, scope, epoch, opening });
    return { outcome: 'published' };
  }

  #positionsOf(scope: Pick<PublisherScope, 'pair' | 'app'>): Map<TaskId, Position> {
    const key = `${scope.pair}/${scope.app}`;
    const positions = this.#published.get(key) ?? new Map<TaskId, Position>();
    this.#published.set(key, positions);
    return positions;
  }
}

function fenceKey(scope: PublisherScope): string {
  return `${scope.pair}/${scope.app}/${String(scope.lane)}`;
}

class Lost extends Error {}

export class MemoryPublisher implements Publisher {
  readonly #system: MemorySinks;
  readonly #logs: readonly { readonly sink: string; readonly log: MemoryLog }[];
  readonly #scope: PublisherScope;
  readonly #wire: Wire;
  readonly #followers = new Set<() => void>();
  #session: Session = { isEnded: false };
  #held: { readonly epoch: Epoch; readonly opening: number } | undefined;
  /** Where batches have to begin, as far as this client knows. */
  #at = new Map<TaskId, Position>();
  #loses: 'request' | 'answer' | undefined;
  #isKilled = false;

  constructor(
    system: MemorySinks,
    logs: readonly { readonly sink: string; readonly log: MemoryLog }[],
    scope: PublisherScope,
    wire: Wire,
  ) {
    this.#system = system;
    this.#logs = logs;
    this.#scope = scope;
    this.#wire = wire;
  }

  /** The next publish takes effect, but its answer does not arrive. */
  loseNextAnswer(): void {
    this.#loses = 'answer';
  }

  /** The next publish does not arrive. */
  loseNextRequest(): void {
    this.#loses = 'request';
  }

  /** The process dies: what it sent still arrives, nothing is answered. */
  kill(): void {
    this.#isKilled = true;
    for (const stop of this.#followers) stop();
  }

  layout(): Promise<readonly SinkLayout[]> {
    return Promise.resolve(this.#logs.map(({ sink, log }) => ({ sink, partitions: log.partitions })));
  }

  prepare(): Promise<void> {
    // Nothing is quicker the second time; an opening that is over stays so.
    this.#held = undefined;
    return Promise.resolve();
  }

  async open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    this.#session.isEnded = true;
    this.#session = { isEnded: false };
    this.#held = undefined;
    try {
      const { outcome, opened } = await this.#request(() => this.#system.open(this.#scope, epoch, initialise));
      if (opened !== undefined) {
        this.#held = { epoch, opening: opened.opening };
        this.#at = new Map(opened.positions);
      }
      return outcome;
    } catch (thrown) {
      return { outcome: 'retryable', cause: thrown as Lost, wait_ms: retry_ms };
    }
  }

  async readBack(): Promise<ReadBack> {
    try {
      return await this.#request(() => this.#stored());
    } catch (thrown) {
      throw new TandemError('sink-unreachable', 'the sinks do not answer', { cause: thrown });
    }
  }

  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    const held = this.#held;
    // As Kafka's client: what the sink does not compare is compared before it is sent.
    const isHere = this.#system.knowsEpochs || this.mayPublish(batch);
    if (held === undefined || !isHere) return { outcome: 'fenced', byEpoch: undefined };
    const loses = this.#loses;
    this.#loses = undefined;
    const sent = this.#encode(batch);
    const outcome = await this.#request(() => {
      const published = this.#system.publish(this.#scope, held.epoch, held.opening, sent);
      if (published.outcome === 'published') {
        this.#append(sent);
        const sinks = this.#logs.map(({ sink }) => sink);
        this.#system.onPublished({ app: this.#scope.app, sinks, moves: sent.moves });
      }
      return published;
    }, loses).catch((thrown: unknown) => this.#resolve(sent, held, thrown as Lost));
    if (outcome.outcome === 'published') for (const { task, to } of sent.moves) this.#at.set(task, to);
    return outcome;
  }

  /** Whether it is open, and the batch begins where what is published ends, as far as this client knows. */
  mayPublish({ moves }: Pick<OutputBatch, 'moves'>): boolean {
    return this.#held !== undefined && moves.every(({ task, from }) => this.#at.get(task) === from);
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    const known = new Map<TaskId, Position>();
    const follower = { isStopped: false };
    const look = (): void => {
      if (follower.isStopped) return;
      this.#request(() => this.#stored())
        .then(({ positions }) => {
          const moved = new Map([...positions].filter(([task, position]) => known.get(task) !== position));
          for (const [task, position] of moved) known.set(task, position);
          if (moved.size > 0 && !follower.isStopped) onPositions(moved);
        })
        .catch(() => undefined);
      this.#wire.clock.after(followPoll_ms, look);
    };
    const stop = (): void => {
      follower.isStopped = true;
      this.#followers.delete(stop);
    };
    this.#followers.add(stop);
    look();
    return {
      stop: () => {
        stop();
        return Promise.resolve();
      },
    };
  }

  close(): Promise<void> {
    this.#held = undefined;
    for (const stop of this.#followers) stop();
    return Promise.resolve();
  }

  #stored(): ReadBack {
    const positions = this.#system.positions(this.#scope);
    const ours = [...positions].filter(([task]) => this.#scope.tasks.includes(task));
    const fence = this.#system.fence(this.#scope);
    return { positions: new Map(ours), epoch: this.#system.knowsEpochs ? fence?.epoch : fence?.writtenIn };
  }

  /** As a real adapter: ends the session, so that nothing of it arrives any more, then looks. */
  async #resolve(
    batch: Sent,
    held: { readonly epoch: Epoch; readonly opening: number },
    cause: Error,
  ): Promise<PublishOutcome> {
    this.#session.isEnded = true;
    this.#session = { isEnded: false };
    try {
      const { fence, positions } = await this.#request(() => ({
        fence: this.#system.fence(this.#scope),
        positions: this.#system.positions(this.#scope),
      }));
      if (fence?.epoch !== held.epoch || fence.opening !== held.opening) {
        return { outcome: 'fenced', byEpoch: this.#system.knowsEpochs ? fence?.epoch : undefined };
      }
      if (batch.moves.every((move) => positions.get(move.task) === move.to)) return { outcome: 'published' };
      return { outcome: 'retryable', cause, wait_ms: retry_ms };
    } catch {
      this.#held = undefined;
      return { outcome: 'fenced', byEpoch: undefined };
    }
  }

  /** One message there and one back; @throws Lost when no answer came in time. */
  #request<T>(effect: () => T, loses?: 'request' | 'answer'): Promise<T> {
    const session = this.#session;
    const wire: Wire = {
      clock: this.#wire.clock,
      toService: (arrive) => {
        if (loses === 'request') return;
        this.#wire.toService(() => {
          if (!session.isEnded && !this.#system.isCut) arrive();
        });
      },
      toClient: (arrive) => {
        if (loses === 'answer') return;
        this.#wire.toClient(() => {
          if (!this.#system.isCut && !this.#isKilled) arrive();
        });
      },
    };
    return request(wire, effect, answerLimit_ms, () => new Lost('no answer'));
  }

  #encode(batch: OutputBatch): Sent {
    const outputs: Sent['outputs'][number][] = [];
    const cursor = batch.outputs();
    while (cursor.next()) {
      const sink = this.#logs[cursor.sink]?.sink;
      const task = batch.moves[cursor.task]?.task;
      if (sink === undefined || task === undefined) throw new Error('an output of no sink or task');
      outputs.push({ sink, partition: cursor.partition, task, position: cursor.position, record: recordOf(cursor) });
    }
    return { moves: batch.moves.map(({ task, from, to }) => ({ task, from, to })), outputs };
  }

  #append({ outputs }: Sent): void {
    for (const { sink, partition, record } of outputs) {
      this.#logs.find((one) => one.sink === sink)?.log.append(partition, [record]);
    }
  }
}

/** A copy of the output that the cursor is at. */
export function recordOf(cursor: OutputCursor): MemoryRecord {
  const { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp_ms } = cursor;
  return {
    key: keyEnd < 0 ? null : Buffer.from(bytes.subarray(keyStart, keyEnd)),
    value: valueEnd < 0 ? null : Buffer.from(bytes.subarray(valueStart, valueEnd)),
    timestamp_ms,
    headers: cursor.headers(),
  };
}
