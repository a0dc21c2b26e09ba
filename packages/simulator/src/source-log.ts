// A log in memory, for simulated pairs: one MemoryLog is the service, each MemorySource a client of it. What a reader
// fetches takes a moment of the given clock, so that everything that can happen in between does.
import { asPosition, type Position } from '@tandem/pair';
import {
  TandemError,
  toError,
  type Clock,
  type Headers,
  type SourceBatch,
  type SourceGap,
  type SourceLog,
  type SourceReader,
  type StartFrom,
  type Timer,
} from '@tandem/ports';
import { instantWire, request, type Wire } from './wire.ts';

export interface MemoryRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp_ms: number;
  readonly headers?: Headers | undefined;
}

export interface MemoryLogOptions {
  readonly clock: Clock;
  readonly partitions: number;
  /** How long the next fetch takes; default 1 ms. */
  readonly delay_ms?: () => number;
  /** Records per page; default 500. */
  readonly pageRecords?: number;
}

interface MemoryPartition {
  /** Offset of the first record that is still there. */
  first: number;
  readonly records: MemoryRecord[];
}

const retry_ms = 20;
const answerLimit_ms = 1000;

/** What all clients of a log share. */
export class MemoryLog {
  readonly clock: Clock;
  readonly partitions: number;
  readonly delay_ms: () => number;
  readonly pageRecords: number;
  /** What readers said they no longer need: `<reader> <partition>` -> floor. Nothing is dropped by it. */
  readonly released = new Map<string, Position>();
  readonly #partitions: readonly MemoryPartition[];
  readonly #readers = new Set<MemoryReader>();
  #isCut = false;

  constructor(options: MemoryLogOptions) {
    this.clock = options.clock;
    this.partitions = options.partitions;
    this.delay_ms = options.delay_ms ?? (() => 1);
    this.pageRecords = options.pageRecords ?? 500;
    this.#partitions = Array.from({ length: options.partitions }, () => ({ first: 0, records: [] }));
  }

  /** A client such as another process would have. */
  connect(wire: Wire = instantWire(this.clock)): MemorySource {
    return new MemorySource(this, wire);
  }

  /** Returns the offset of the first of them. */
  append(partition: number, records: readonly MemoryRecord[]): number {
    const state = this.#of(partition);
    const base = state.first + state.records.length;
    for (const record of records) state.records.push(record);
    for (const reader of this.#readers) reader.onNews();
    return base;
  }

  /** Another log that holds the same. */
  copy(clock: Clock): MemoryLog {
    const { partitions, delay_ms, pageRecords } = this;
    const copy = new MemoryLog({ clock, partitions, delay_ms, pageRecords });
    for (const [partition, { first, records }] of this.#partitions.entries()) {
      const state = copy.#of(partition);
      state.first = first;
      state.records.push(...records);
    }
    return copy;
  }

  /** Retention: the records before this offset go. */
  drop(partition: number, before: number): void {
    const state = this.#of(partition);
    const gone = Math.max(0, Math.min(before - state.first, state.records.length));
    state.records.splice(0, gone);
    state.first += gone;
  }

  bounds(partition: number): { readonly first: Position; readonly end: Position } {
    const { first, records } = this.#of(partition);
    return { first: asPosition(first), end: asPosition(first + records.length) };
  }

  /** Records from this offset on; fewer when the log ends. */
  slice(partition: number, from: number, most: number): readonly MemoryRecord[] {
    const { first, records } = this.#of(partition);
    return from < first ? [] : records.slice(from - first, from - first + most);
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** Nobody can read until `heal`. */
  cut(): void {
    this.#isCut = true;
    this.breakConnections();
  }

  heal(): void {
    this.#isCut = false;
  }

  /** Fetches under way are lost. */
  breakConnections(): void {
    for (const reader of this.#readers) reader.onBroken();
  }

  attach(reader: MemoryReader): void {
    this.#readers.add(reader);
  }

  detach(reader: MemoryReader): void {
    this.#readers.delete(reader);
  }

  #of(partition: number): MemoryPartition {
    const state = this.#partitions[partition];
    if (state === undefined) throw new RangeError(`no partition ${String(partition)}`);
    return state;
  }
}

export class MemorySource implements SourceLog {
  readonly #log: MemoryLog;
  readonly #wire: Wire;
  readonly #readers = new Set<MemoryReader>();

  constructor(log: MemoryLog, wire: Wire) {
    this.#log = log;
    this.#wire = wire;
  }

  partitions(): Promise<number> {
    return ask(this.#wire, this.#log, () => this.#log.partitions);
  }

  bounds(partition: number): Promise<{ readonly first: Position; readonly end: Position }> {
    return ask(this.#wire, this.#log, () => this.#log.bounds(partition));
  }

  resolve(partition: number, startFrom: StartFrom): Promise<Position> {
    return ask(this.#wire, this.#log, () => {
      const { first, end } = this.#log.bounds(partition);
      if (startFrom === 'earliest') return first;
      if (startFrom === 'latest') return end;
      const records = this.#log.slice(partition, first, end - first);
      const found = records.findIndex((record) => record.timestamp_ms >= startFrom.time_ms);
      return found < 0 ? end : asPosition(first + found);
    });
  }

  read(positions: ReadonlyMap<number, Position>): SourceReader {
    const reader = new MemoryReader(this.#log, this.#wire, positions);
    this.#readers.add(reader);
    return reader;
  }

  releaseBefore(partition: number, reader: string, floor: Position): Promise<void> {
    this.#log.released.set(`${reader} ${String(partition)}`, floor);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close();
    this.#readers.clear();
  }
}

function ask<T>(wire: Wire, log: MemoryLog, effect: () => T): Promise<T> {
  const unreachable = (): Error => new TandemError('source-unreachable', 'the log cannot be reached');
  const reached = (): T => {
    if (log.isCut) throw unreachable();
    return effect();
  };
  return request(wire, reached, answerLimit_ms, unreachable);
}

/** What is there of one partition from where it is wanted. */
interface Fetched {
  readonly state: ReadPartition;
  readonly first: Position;
  readonly end: Position;
  /** Undefined: not asked for. */
  readonly records: readonly MemoryRecord[] | undefined;
}

interface ReadPartition {
  readonly partition: number;
  fetchFrom: number;
  end: Position | undefined;
  paused: boolean;
  ready: SourceBatch | SourceGap | undefined;
  stopped: boolean;
}

class MemoryReader implements SourceReader {
  onReady: () => void = () => undefined;
  readonly #log: MemoryLog;
  readonly #wire: Wire;
  readonly #partitions: readonly ReadPartition[];
  #turn = 0;
  #starving = false;
  /** Undefined while no fetch is to come or under way. */
  #fetch: Timer | undefined;
  /** Raised by whatever makes the fetch under way void. */
  #run = 0;
  #newsWaits = false;
  #trouble: string | undefined = 'not connected yet';
  #closed = false;

  constructor(log: MemoryLog, wire: Wire, positions: ReadonlyMap<number, Position>) {
    this.#log = log;
    this.#wire = wire;
    this.#partitions = [...positions].map(([partition, position]) => ({
      partition,
      fetchFrom: position,
      end: undefined,
      paused: false,
      ready: undefined,
      stopped: false,
    }));
    log.attach(this);
    this.onNews();
  }

  take(): SourceBatch | SourceGap | undefined {
    const count = this.#partitions.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#turn + step) % count;
      const state = this.#partitions[at];
      if (state?.ready === undefined || state.paused || this.#closed) continue;
      const { ready } = state;
      state.ready = undefined;
      this.#turn = at + 1;
      this.onNews();
      return ready;
    }
    this.#starving = true;
    return undefined;
  }

  setPaused(partition: number, paused: boolean): void {
    const state = this.#partitions.find((one) => one.partition === partition);
    if (state === undefined) return;
    state.paused = paused;
    this.onNews();
  }

  end(partition: number): Position | undefined {
    return this.#partitions.find((one) => one.partition === partition)?.end;
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#run++;
    this.#fetch?.cancel();
    this.#fetch = undefined;
    this.#log.detach(this);
    return Promise.resolve();
  }

  onNews(): void {
    if (this.#fetch === undefined) this.#fetchAfter(this.#log.delay_ms());
    else this.#newsWaits = true;
  }

  onBroken(): void {
    this.#fail('connection lost');
  }

  #fail(trouble: string): void {
    this.#trouble = trouble;
    this.#fetch?.cancel();
    this.#fetchAfter(retry_ms);
  }

  #fetchAfter(delay_ms: number): void {
    if (this.#closed) return;
    const run = ++this.#run;
    this.#fetch = this.#wire.clock.after(delay_ms, () => {
      this.#newsWaits = false;
      const wanted = this.#partitions.map((state) => ({ state, from: isWanted(state) ? state.fetchFrom : undefined }));
      ask(this.#wire, this.#log, () => wanted.map(({ state, from }) => this.#look(state, from)))
        .then((fetched) => {
          if (run === this.#run) this.#arrived(fetched);
        })
        .catch((thrown: unknown) => {
          if (run === this.#run) this.#fail(toError(thrown).message);
        });
    });
  }

  #look(state: ReadPartition, from: number | undefined): Fetched {
    const { first, end } = this.#log.bounds(state.partition);
    const records = from === undefined ? undefined : this.#log.slice(state.partition, from, this.#log.pageRecords);
    return { state, first, end, records };
  }

  #arrived(fetched: readonly Fetched[]): void {
    this.#fetch = undefined;
    this.#trouble = undefined;
    for (const one of fetched) fill(one);
    if (this.#newsWaits) this.onNews();
    if (this.#starving && this.#partitions.some((state) => state.ready !== undefined && !state.paused)) {
      this.#starving = false;
      this.onReady();
    }
  }
}

function isWanted(state: ReadPartition): boolean {
  return state.ready === undefined && !state.stopped && !state.paused;
}

function fill({ state, first, end, records }: Fetched): void {
  state.end = end;
  if (records === undefined || !isWanted(state)) return;
  if (state.fetchFrom < first || state.fetchFrom > end) {
    state.stopped = true;
    state.ready = { kind: 'gap', partition: state.partition, wanted: asPosition(state.fetchFrom), first };
    return;
  }
  if (records.length === 0) return;
  state.ready = new MemoryPage(state.partition, state.fetchFrom, records);
  state.fetchFrom += records.length;
}

const nothing = new Uint8Array(0);

class MemoryPage implements SourceBatch {
  readonly kind = 'batch';
  readonly partition: number;
  readonly nextPosition: Position;
  readonly bytes: Buffer;
  position: number;
  timestamp_ms = 0;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #records: readonly MemoryRecord[];
  #index = -1;
  #at = 0;

  constructor(partition: number, first: number, records: readonly MemoryRecord[]) {
    this.partition = partition;
    this.position = first - 1;
    this.nextPosition = asPosition(first + records.length);
    this.bytes = Buffer.concat(records.flatMap(({ key, value }) => [key ?? nothing, value ?? nothing]));
    this.#records = records;
  }

  next(): boolean {
    const record = this.#records[this.#index + 1];
    if (record === undefined) return false;
    this.#index++;
    this.position++;
    this.timestamp_ms = record.timestamp_ms;
    this.keyStart = this.#at;
    this.#at += record.key?.length ?? 0;
    this.keyEnd = record.key === null ? -1 : this.#at;
    this.valueStart = this.#at;
    this.#at += record.value?.length ?? 0;
    this.valueEnd = record.value === null ? -1 : this.#at;
    return true;
  }

  headers(): Headers | undefined {
    return this.#records[this.#index]?.headers;
  }
}
