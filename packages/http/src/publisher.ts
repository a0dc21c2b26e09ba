// All of a lane's sinks that are reached by HTTP: requests in order within each task, tasks side by side, and the
// positions that they have reached in PostgreSQL, behind a fence. The receivers have no fence: there an old publisher is
// kept out by time (S11), and an output that comes again bears the same Idempotency-Key.
import type { Epoch, Position, Positions, TaskId } from '@tandem/pair';
import {
  TandemError,
  toError,
  type Clock,
  type LaneContext,
  type OpenOutcome,
  type OutputBatch,
  type PositionMove,
  type Publisher,
  type PublisherScope,
  type PublishOutcome,
  type ReadBack,
  type SinkLayout,
} from '@tandem/ports';
import { createPostgresPublisher, type PublisherSettings } from '@tandem/postgres';
import { Authority } from './authority.ts';
import type { HttpSinkBinding, HttpSystem } from './configuration.ts';
import { deadLetterBatch, type DeadLetter } from './dead-letters.ts';
import { idempotencyKey, outputHeaders } from './headers.ts';
import { takeOutputs, type Output, type TakenOutputs } from './outputs.ts';
import { Receiver } from './receiver.ts';
import { Slice } from './slice.ts';
import { TaskLine, type Refusal } from './task-line.ts';
import type { Verdict } from './verdict.ts';

export interface HttpPublisherOptions {
  readonly system: HttpSystem;
  readonly sinks: readonly { readonly sink: string; readonly binding: HttpSinkBinding }[];
  readonly scope: PublisherScope;
  readonly clock: Clock;
  readonly log: LaneContext['log'];
  readonly node?: string;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
  /** Of the keeping of positions. */
  readonly positions?: Partial<PublisherSettings>;
}

/** The name under which positions and fences are kept. */
export const publisherName = 'http';

/** Positions are stored this often while outputs go out; what went out since comes again after a crash. */
const sliceLimits = { usual_ms: 100, most_ms: 500 };
/** Before an opening whose positions could not be read is tried again. */
const openingRetry_ms = 100;
/** Outputs of each task that one call may send at most. */
const takenOutputs = 1000;

/** One opening: what is under way in it, and how far it is. */
interface Opening {
  readonly epoch: Epoch;
  readonly lines: Map<TaskId, TaskLine>;
  /** As stored. */
  readonly positions: Map<TaskId, Position>;
}

/** @throws TandemError when what keeps the positions cannot be reached or used. */
export async function createHttpPublisher(options: HttpPublisherOptions): Promise<Publisher> {
  const { system, sinks, scope, clock, log, node } = options;
  const letters = sinks.flatMap(({ sink, binding: { deadLetter } }) =>
    deadLetter === undefined ? [] : [{ sink, binding: deadLetter }],
  );
  const store = await createPostgresPublisher({
    system: system.positions.postgres,
    sinks: letters,
    scope,
    clock,
    log,
    publisher: publisherName,
    ...(node !== undefined && { node }),
    ...(options.positions !== undefined && { settings: options.positions }),
  });
  return new HttpPublisher(options, store);
}

class HttpPublisher implements Publisher {
  readonly #options: HttpPublisherOptions;
  /** Keeps fence, positions and dead letters. */
  readonly #store: Publisher;
  readonly #receivers: readonly Receiver[];
  readonly #authority: Authority;
  /** By sink; undefined where there is none. */
  #letterLogs: readonly ({ readonly log: number; readonly partitions: number } | undefined)[] | undefined;
  #opening: Opening | undefined;
  #publishing: Promise<unknown> | undefined;
  /** Of the call under way. */
  #slice: Slice | undefined;
  #isClosing = false;

  constructor(options: HttpPublisherOptions, store: Publisher) {
    const { clock, log, sinks } = options;
    this.#options = options;
    this.#store = store;
    this.#receivers = sinks.map(({ sink, binding }) => new Receiver({ sink, binding, clock, log }));
    this.#authority = new Authority(clock, () => {
      this.#abort('the coordinator has not confirmed in time that this node is still the active one');
    });
  }

  async layout(): Promise<readonly SinkLayout[]> {
    const logs = await this.#store.layout();
    let next = 0;
    this.#letterLogs = this.#receivers.map(({ binding }) => {
      if (binding.deadLetter === undefined) return undefined;
      const log = next++;
      return { log, partitions: logs[log]?.partitions ?? 1 };
    });
    return this.#receivers.map(({ sink }) => ({ sink, partitions: 1 }));
  }

  async prepare(): Promise<void> {
    this.#letGo();
    await this.#store.prepare();
  }

  async open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    this.#letGo();
    if (this.#letterLogs === undefined) await this.layout();
    const opened = await this.#store.open(epoch, initialise);
    if (opened.outcome !== 'opened') return opened;
    try {
      const { positions } = await this.#store.readBack();
      this.#opening = { epoch, lines: new Map(), positions: new Map(positions) };
      return opened;
    } catch (thrown) {
      return { outcome: 'retryable', cause: toError(thrown), wait_ms: openingRetry_ms };
    }
  }

  async readBack(): Promise<ReadBack> {
    return await this.#store.readBack();
  }

  authorityUntil(until_ms: number): void {
    this.#authority.until(until_ms);
  }

  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    const opening = this.#opening;
    if (opening === undefined) return { outcome: 'fenced', byEpoch: undefined };
    // Nothing leaves that somebody else may have sent already, or that leaves something out.
    if (batch.moves.some(({ task, from }) => opening.positions.get(task) !== from)) {
      this.#letGo();
      return { outcome: 'fenced', byEpoch: undefined };
    }
    const publishing = this.#publish(opening, batch);
    this.#publishing = publishing;
    return await publishing;
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    return this.#store.follow(onPositions);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#abort('the publisher is closed');
    // It stores the positions of what has been confirmed.
    await this.#publishing?.catch(() => undefined);
    this.#opening = undefined;
    this.#authority.close();
    for (const receiver of this.#receivers) receiver.close();
    await this.#store.close();
  }

  async #publish(opening: Opening, batch: OutputBatch): Promise<PublishOutcome> {
    const taken = [...takeOutputs(batch, takenOutputs).values()];
    const lines = taken.map(({ move }) => this.#line(opening, move));
    await this.#send(opening, taken, lines);
    const moves = taken.map(({ move, outputs, end }, index): PositionMove => {
      return { ...move, to: lines[index]?.reached(outputs, end) ?? move.from };
    });
    const moved = moves.filter(({ from, to }) => to > from);
    const stored = moved.length === 0 ? undefined : await this.#storePositions(opening, moved);
    if (stored !== undefined && stored.outcome !== 'published') return stored;
    const refused = lines.find(({ refusal }) => refusal !== undefined);
    if (refused?.refusal !== undefined)
      return { outcome: 'fatal', cause: this.#refusal(refused.task, refused.refusal) };
    if (moved.length === 0) {
      const trouble = this.#trouble(lines);
      if (trouble !== undefined) {
        const wait_ms = Math.max(0, dueAt_ms(lines) - this.#options.clock.now_ms());
        return { outcome: 'retryable', cause: trouble, wait_ms: Number.isFinite(wait_ms) ? wait_ms : 0 };
      }
    }
    if (moves.every(({ to }, index) => to === batch.moves[index]?.to)) return { outcome: 'published' };
    const positions = new Map(moved.map(({ task, to }): [TaskId, Position] => [task, to]));
    const passed = taken.map(({ outputs, move }) =>
      outputs.filter(({ position }) => position < (positions.get(move.task) ?? 0)),
    );
    return { outcome: 'published', part: { positions, outputs: passed.flat().length } };
  }

  /** Until all of it is confirmed, or something is and the rest has to wait, or the slice is over. */
  async #send(opening: Opening, taken: readonly TakenOutputs[], lines: readonly TaskLine[]): Promise<void> {
    const { clock } = this.#options;
    const slice = new Slice(clock, sliceLimits);
    this.#slice = slice;
    for (;;) {
      await Promise.all(lines.map((line, index) => line.run(taken[index]?.outputs ?? [], slice)));
      const isDone = lines.every((line, index) => {
        const of = taken[index];
        return of === undefined || line.refusal !== undefined || line.reached(of.outputs, of.end) === of.end;
      });
      if (isDone || slice.confirmed > 0 || slice.isOver() || this.#opening !== opening) break;
      // All of them have to wait: for their time, or for authority.
      await this.#authority.changes(Math.max(1, Math.min(slice.until_ms, dueAt_ms(lines)) - clock.now_ms()));
    }
    slice.end();
  }

  /** Positions, and what was refused of the inputs before them, in one transaction. */
  async #storePositions(opening: Opening, moves: readonly PositionMove[]): Promise<PublishOutcome> {
    const letters = moves.flatMap(({ task, to }, index) => {
      const line = opening.lines.get(task);
      const passed = line?.aside.filter(({ output }) => output.position < to) ?? [];
      return passed.map((refusal) => this.#letter(refusal, task, index));
    });
    const outcome = await this.#store.publish(deadLetterBatch(moves, letters));
    if (outcome.outcome === 'fenced') this.#letGo();
    if (outcome.outcome !== 'published') return outcome;
    for (const { task, to } of moves) {
      opening.positions.set(task, to);
      const line = opening.lines.get(task);
      line?.aside.splice(0, line.aside.filter(({ output }) => output.position < to).length);
    }
    return outcome;
  }

  #line(opening: Opening, { task, from }: PositionMove): TaskLine {
    const known = opening.lines.get(task);
    if (known !== undefined) return known;
    const { clock, random = () => Math.random() } = this.#options;
    const line = new TaskLine(task, from, {
      clock,
      random,
      retryOf: (sink) => this.#receiver(sink).binding.retry,
      send: (of, output) => this.#deliver(opening, of, output),
      putsAside: (sink) => this.#letterLogs?.[sink] !== undefined,
    });
    opening.lines.set(task, line);
    return line;
  }

  async #deliver(opening: Opening, task: TaskId, output: Output): Promise<Verdict | undefined> {
    const mayGoOn = (): boolean => this.#opening === opening && !this.#isClosing && this.#authority.isHeld;
    if (!mayGoOn()) return undefined;
    const { pair, app } = this.#options.scope;
    const receiver = this.#receiver(output.sink);
    const { sink } = receiver;
    const { position, ordinal, timestamp_ms, key, value, headers } = output;
    const described = outputHeaders({
      id: { pair, app, sink, task, position, ordinal },
      epoch: opening.epoch,
      timestamp_ms,
      key,
      isTombstone: value === null,
      headers,
    });
    const verdict = await receiver.deliver(described, value ?? Buffer.alloc(0), mayGoOn);
    // It was ended by us: it has not failed.
    return verdict?.verdict === 'again' && !mayGoOn() ? undefined : verdict;
  }

  #letter(refusal: Refusal, task: TaskId, index: number): DeadLetter {
    const { sink, position, ordinal } = refusal.output;
    const { pair, app } = this.#options.scope;
    const { sink: name } = this.#receiver(sink);
    const place = this.#letterLogs?.[sink] ?? { log: 0, partitions: 1 };
    const key = idempotencyKey({ pair, app, sink: name, task, position, ordinal });
    return { ...refusal, ...place, task: index, sink: name, idempotencyKey: key };
  }

  #receiver(sink: number): Receiver {
    const receiver = this.#receivers[sink];
    if (receiver === undefined) throw new TandemError('internal', `no sink ${String(sink)}`);
    return receiver;
  }

  /** Why nothing goes out; undefined while answers are merely awaited. */
  #trouble(lines: readonly TaskLine[]): Error | undefined {
    if (!this.#authority.isHeld) {
      const text = 'nothing is sent until the coordinator confirms that this node is still the active one';
      return new TandemError('no-authority', text);
    }
    const trouble = lines.find((line) => line.trouble !== undefined)?.trouble;
    if (trouble === undefined) return undefined;
    return new TandemError('sink-unreachable', `${this.#receiver(trouble.sink).name}: ${trouble.why}; trying again`);
  }

  #refusal(task: TaskId, { output, why }: Refusal): Error {
    const { sink, position, ordinal } = output;
    const { pair, app } = this.#options.scope;
    const receiver = this.#receiver(sink);
    const key = idempotencyKey({ pair, app, sink: receiver.sink, task, position, ordinal });
    return new TandemError(
      'sink-refused',
      `${receiver.name} ${why} to the output of input ${String(position)} of ${task} (Idempotency-Key ${key}). Correct the app or the receiver, or name a deadLetter; nothing after it was sent`,
      { blame: 'user' },
    );
  }

  /** Forgets the opening; only another `open` leads back. */
  #letGo(): void {
    this.#opening = undefined;
    this.#abort('the publisher was opened again, or prepared');
  }

  #abort(why: string): void {
    for (const receiver of this.#receivers) receiver.abort(new Error(why));
    this.#slice?.end();
  }
}

/** When the first of these that wait for their time is sent again; never, where none does. */
function dueAt_ms(lines: readonly TaskLine[]): number {
  const times_ms = lines.filter(({ trouble }) => trouble !== undefined).map(({ notBefore_ms }) => notBefore_ms);
  return Math.min(...times_ms);
}
