// The operators at work: each takes a value, does its part and calls the next one directly.
import type { TaskContext } from './context.ts';
import type { RecordContext } from './dsl.ts';
import type { AuthorFunction, Emit } from './graph.ts';
import type { KeyedStore } from './keyed-store.ts';
import type { OutputCollector, TaskMetrics } from './runtime.ts';
import type { TimeStore } from './time-store.ts';
import type { Segment, WindowStore } from './window-store.ts';
import type { TumblingWindows } from './windows.ts';

export interface Receiver {
  take(value: unknown): void;
}

/** An author's function as it is called; its own types were checked where it was handed over. */
type OfValue = (value: unknown, ctx: RecordContext<string | null>) => unknown;
type OfTotal = (total: unknown, value: unknown, ctx: RecordContext<string | null>) => unknown;

export class FanOut implements Receiver {
  readonly #next: readonly Receiver[];
  constructor(next: readonly Receiver[]) {
    this.#next = next;
  }
  take(value: unknown): void {
    for (const receiver of this.#next) receiver.take(value);
  }
}

/** The end of a stream that leads nowhere: a store that nobody listens to. */
export const nowhere: Receiver = {
  take() {
    return;
  },
};

/** Calls an author's function with each value. */
abstract class Step implements Receiver {
  protected readonly call: OfValue;
  protected readonly ctx: TaskContext;
  protected readonly next: Receiver;
  constructor(call: AuthorFunction, ctx: TaskContext, next: Receiver) {
    this.call = call as OfValue;
    this.ctx = ctx;
    this.next = next;
  }
  abstract take(value: unknown): void;
}

export class Filter extends Step {
  take(value: unknown): void {
    const keep = this.call;
    if (keep(value, this.ctx) === true) this.next.take(value);
  }
}

export class MapValue extends Step {
  take(value: unknown): void {
    const change = this.call;
    this.next.take(change(value, this.ctx));
  }
}

export class FlatMap extends Step {
  take(value: unknown): void {
    const change = this.call;
    for (const each of change(value, this.ctx) as Iterable<unknown>) this.next.take(each);
  }
}

export class SelectKey extends Step {
  take(value: unknown): void {
    const { ctx, call: select } = this;
    const key = select(value, ctx);
    if (typeof key !== 'string' && key !== null) throw new TypeError('selectKey must return a string or null');
    const { keyIsInput } = ctx;
    const before = ctx.setKey(key);
    this.next.take(value);
    ctx.resetKey(before, keyIsInput);
  }
}

/** `initial` undefined: the first value of a key is its first total. */
export interface FoldSteps {
  readonly initial: unknown;
  readonly add: AuthorFunction;
}

/** Told of each value that is put, before it is: the test driver freezes them. */
export type StateGuard = (store: string, value: unknown) => void;

/** The total of one key in one store, as it is after a value; undefined when the key was forgotten. */
class Folding {
  readonly #initial: unknown;
  readonly #add: OfTotal;
  readonly #ctx: TaskContext;
  readonly #guard: StateGuard | undefined;
  constructor({ initial, add }: FoldSteps, ctx: TaskContext, guard: StateGuard | undefined) {
    this.#initial = initial;
    this.#add = add as OfTotal;
    this.#ctx = ctx;
    this.#guard = guard;
  }
  take(store: KeyedStore, value: unknown): unknown {
    const ctx = this.#ctx;
    const key = ctx.storeKey;
    const entry = store.find(key);
    const before = entry === undefined ? this.#initial : entry.value;
    const add = this.#add;
    const after = before === undefined ? value : add(before, value, ctx);
    if (after === undefined) {
      if (entry !== undefined) store.delete(entry);
      return undefined;
    }
    if (this.#guard !== undefined) this.#guard(store.name, after);
    if (entry === undefined) store.insert(key, after);
    else if (after !== before) store.replace(entry, after);
    return after;
  }
}

export class FoldByKey implements Receiver {
  readonly #folding: Folding;
  readonly #store: KeyedStore;
  readonly #next: Receiver;
  constructor(steps: FoldSteps, store: KeyedStore, ctx: TaskContext, next: Receiver, guard: StateGuard | undefined) {
    this.#folding = new Folding(steps, ctx, guard);
    this.#store = store;
    this.#next = next;
  }
  take(value: unknown): void {
    const total = this.#folding.take(this.#store, value);
    if (total !== undefined) this.#next.take(total);
  }
}

export interface WindowFoldOptions {
  readonly steps: FoldSteps;
  /** Results are { start, end, count }; else { start, end, value }. */
  readonly counts: boolean;
  readonly windows: TumblingWindows;
  readonly emit: Emit;
}

/**
 * A window [start, end) closes when the largest record time seen here reaches its end plus grace. What closes is
 * emitted by the input that closed it, before that input itself is added: windows by start, keys in insertion order,
 * with the window's last millisecond as record time (as Flink does). Records of a closed window count as late.
 */
export class WindowFold implements Receiver {
  readonly #folding: Folding;
  readonly #options: WindowFoldOptions;
  readonly #store: WindowStore;
  readonly #time: TimeStore;
  readonly #ctx: TaskContext;
  readonly #metrics: TaskMetrics;
  readonly #next: Receiver;
  constructor(
    options: WindowFoldOptions,
    state: { readonly store: WindowStore; readonly time: TimeStore },
    task: { readonly ctx: TaskContext; readonly metrics: TaskMetrics; readonly guard: StateGuard | undefined },
    next: Receiver,
  ) {
    this.#folding = new Folding(options.steps, task.ctx, task.guard);
    this.#options = options;
    this.#store = state.store;
    this.#time = state.time;
    this.#ctx = task.ctx;
    this.#metrics = task.metrics;
    this.#next = next;
  }

  take(value: unknown): void {
    const { size_ms, grace_ms } = this.#options.windows;
    const { now } = this.#ctx;
    if (now > this.#time.time_ms) {
      this.#time.advance(now);
      this.#closeUpTo(now - grace_ms);
    }
    const start = Math.floor(now / size_ms) * size_ms;
    if (start + size_ms + grace_ms <= this.#time.time_ms) {
      this.#metrics.late += 1;
      return;
    }
    const total = this.#folding.take(this.#store.segment(start).entries, value);
    if (total !== undefined && this.#options.emit === 'on-update') this.#next.take(this.#result(start, total));
  }

  #closeUpTo(time_ms: number): void {
    const { size_ms } = this.#options.windows;
    for (
      let segment = this.#store.earliest;
      segment !== undefined && segment.start + size_ms <= time_ms;
      segment = this.#store.earliest
    ) {
      if (this.#options.emit === 'on-close') this.#emit(segment);
      this.#store.dropEarliest();
    }
  }

  #emit({ start, entries }: Segment): void {
    const ctx = this.#ctx;
    const { now, keyIsInput } = ctx;
    const key = ctx.setKey(null);
    ctx.now = start + this.#options.windows.size_ms - 1;
    for (let entry = entries.first; entry !== undefined; entry = entry.next) {
      if (entry.dead) continue;
      ctx.setKey(entry.key);
      this.#next.take(this.#result(start, entry.value));
    }
    ctx.now = now;
    ctx.resetKey(key, keyIsInput);
  }

  #result(start: number, total: unknown): unknown {
    const end = start + this.#options.windows.size_ms;
    return this.#options.counts ? { start, end, count: total } : { start, end, value: total };
  }
}

/** Hands outputs over, and remembers whether it is doing so: an error in there is not the app's. */
export class Outlet {
  readonly #collector: OutputCollector;
  readonly #ctx: TaskContext;
  handingOver = false;
  constructor(collector: OutputCollector, ctx: TaskContext) {
    this.#collector = collector;
    this.#ctx = ctx;
  }

  begin(): void {
    this.handingOver = false;
  }

  emit(sink: number, value: string | Uint8Array): void {
    const ctx = this.#ctx;
    this.handingOver = true;
    if (ctx.keyIsInput) this.#collector.emitWithInputKey(sink, ctx.record, value, ctx.now);
    else this.#collector.emit(sink, ctx.key, value, ctx.now);
    this.handingOver = false;
  }
}

export class Sink implements Receiver {
  readonly #sink: number;
  readonly #encode: (value: unknown) => string | Uint8Array;
  readonly #outlet: Outlet;
  constructor(sink: number, encode: (value: unknown) => string | Uint8Array, outlet: Outlet) {
    this.#sink = sink;
    this.#encode = encode;
    this.#outlet = outlet;
  }
  take(value: unknown): void {
    const encode = this.#encode;
    this.#outlet.emit(this.#sink, encode(value));
  }
}
