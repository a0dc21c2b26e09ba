// A sink system in memory, for simulated pairs: one MemorySinks is the service, with logs, fences and published
// positions; each MemoryPublisher is a client. Requests and answers each take a moment of the given clock.
import type { Epoch, Position, Positions, TaskId } from '@tandem/pair';
import {
  TandemError,
  type Clock,
  type OpenOutcome,
  type OutputBatch,
  type Publisher,
  type PublisherScope,
  type PublishOutcome,
  type ReadBack,
  type SinkLayout,
} from '@tandem/ports';
import type { MemoryLog, MemoryRecord } from './source-log.ts';

export interface MemorySinksOptions {
  readonly clock: Clock;
  /** How long the next message takes, either way; default 1 ms each. */
  readonly delay_ms?: () => number;
}

interface Fence {
  epoch: Epoch;
  opening: number;
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

  constructor(options: MemorySinksOptions) {
    this.clock = options.clock;
    this.delay_ms = options.delay_ms ?? (() => 1);
  }

  /** A client such as another process would have; `logs` by sink, in the order of the app's sink numbers. */
  connect(logs: readonly { readonly sink: string; readonly log: MemoryLog }[], scope: PublisherScope): MemoryPublisher {
    return new MemoryPublisher(this, logs, scope);
  }

  open(scope: PublisherScope, epoch: Epoch, initialise: Positions | undefined): OpenOutcome & { opening?: number } {
    const key = fenceKey(scope);
    const held = this.#fences.get(key);
    if (held !== undefined && held.epoch > epoch) return { outcome: 'fenced', byEpoch: held.epoch };
    const opening = (held?.opening ?? 0) + 1;
    this.#fences.set(key, { epoch, opening });
    const positions = this.#positionsOf(scope);
    for (const [task, position] of initialise ?? []) {
      if ((positions.get(task) ?? -1) < position) positions.set(task, position);
    }
    return { outcome: 'opened', storedEpoch: held?.epoch, opening };
  }

  fence(scope: PublisherScope): { readonly epoch: Epoch; readonly opening: number } | undefined {
    return this.#fences.get(fenceKey(scope));
  }

  positions(scope: PublisherScope): Positions {
    return new Map(this.#positionsOf(scope));
  }

  publish(
    scope: PublisherScope,
    epoch: Epoch,
    opening: number,
    batch: OutputBatch,
    write: (batch: OutputBatch) => void,
  ): TransactionOutcome {
    const held = this.#fences.get(fenceKey(scope));
    const positions = this.#positionsOf(scope);
    const fits = batch.moves.every((move) => positions.get(move.task) === move.from);
    if (held?.epoch !== epoch || held.opening !== opening || !fits) {
      return { outcome: 'fenced', byEpoch: held?.epoch };
    }
    if (this.isBlocked) return { outcome: 'retryable', cause: new Error('the sink is blocked'), wait_ms: retry_ms };
    write(batch);
    for (const move of batch.moves) positions.set(move.task, move.to);
    return { outcome: 'published' };
  }

  #positionsOf(scope: PublisherScope): Map<TaskId, Position> {
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
  readonly #followers = new Set<() => void>();
  #session: Session = { isEnded: false };
  #held: { readonly epoch: Epoch; readonly opening: number } | undefined;
  #loses: 'request' | 'answer' | undefined;
  #isKilled = false;

  constructor(
    system: MemorySinks,
    logs: readonly { readonly sink: string; readonly log: MemoryLog }[],
    scope: PublisherScope,
  ) {
    this.#system = system;
    this.#logs = logs;
    this.#scope = scope;
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
      const { opening, ...outcome } = await this.#request(() => this.#system.open(this.#scope, epoch, initialise));
      if (opening !== undefined) this.#held = { epoch, opening };
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
    if (held === undefined) return { outcome: 'fenced', byEpoch: undefined };
    const loses = this.#loses;
    this.#loses = undefined;
    try {
      return await this.#request(
        () =>
          this.#system.publish(this.#scope, held.epoch, held.opening, batch, (outputs) => {
            this.#write(outputs);
          }),
        loses,
      );
    } catch (thrown) {
      return await this.#resolve(batch, held, thrown as Lost);
    }
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    const known = new Map<TaskId, Position>();
    const follower = { isStopped: false };
    const look = (): void => {
      if (follower.isStopped) return;
      if (!this.#system.isCut) {
        const moved = new Map([...this.#stored().positions].filter(([task, position]) => known.get(task) !== position));
        for (const [task, position] of moved) known.set(task, position);
        if (moved.size > 0) onPositions(moved);
      }
      this.#system.clock.after(followPoll_ms, look);
    };
    const stop = (): void => {
      follower.isStopped = true;
      this.#followers.delete(stop);
    };
    this.#followers.add(stop);
    this.#system.clock.after(this.#system.delay_ms(), look);
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
    return { positions: new Map(ours), epoch: this.#system.fence(this.#scope)?.epoch };
  }

  /** As a real adapter: ends the session, so that nothing of it arrives any more, then looks. */
  async #resolve(
    batch: OutputBatch,
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
        return { outcome: 'fenced', byEpoch: fence?.epoch };
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
    const { clock } = this.#system;
    const session = this.#session;
    return new Promise<T>((resolve, reject) => {
      const limit = clock.after(answerLimit_ms, () => {
        if (!this.#isKilled) reject(new Lost('no answer'));
      });
      if (loses === 'request') return;
      clock.after(this.#system.delay_ms(), () => {
        if (session.isEnded || this.#system.isCut) return;
        const answer = effect();
        if (loses === 'answer') return;
        clock.after(this.#system.delay_ms(), () => {
          if (this.#system.isCut || this.#isKilled) return;
          limit.cancel();
          resolve(answer);
        });
      });
    });
  }

  #write(batch: OutputBatch): void {
    const outputs = batch.outputs();
    while (outputs.next()) {
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp_ms } = outputs;
      const record: MemoryRecord = {
        key: keyEnd < 0 ? null : Buffer.from(bytes.subarray(keyStart, keyEnd)),
        value: valueEnd < 0 ? null : Buffer.from(bytes.subarray(valueStart, valueEnd)),
        timestamp_ms,
        headers: outputs.headers(),
      };
      this.#logs[outputs.sink]?.log.append(outputs.partition, [record]);
    }
  }
}
