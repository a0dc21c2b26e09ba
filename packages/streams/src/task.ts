// One task of an app: applies a record whole, or takes back all of it.
import { TaskContext } from './context.ts';
import type { App } from './dsl.ts';
import { digestOf } from './digest.ts';
import { InputError, type InputErrorCode, InvalidRecord, reasonOf, TopologyError } from './errors.ts';
import { type AnyFormat, describeIssues, validate } from './format.ts';
import { deadLetterSink, type Node, type Operator } from './graph.ts';
import { InputLog } from './input-log.ts';
import { KeyedStore } from './keyed-store.ts';
import {
  FanOut,
  Filter,
  FlatMap,
  FoldByKey,
  MapValue,
  nowhere,
  Outlet,
  type Receiver,
  SelectKey,
  Sink,
  type StateGuard,
  WindowFold,
} from './operators.ts';
import type { InputRecord, OutputCollector, StateStore, TaskMetrics, TaskProgram } from './runtime.ts';
import { TimeStore } from './time-store.ts';
import { WindowStore } from './window-store.ts';

export interface TaskPlan {
  readonly app: App;
  /** The source's node, with everything that hangs on it. */
  readonly root: Node;
  readonly source: string;
  readonly format: AnyFormat;
  /** In the order of the collector's sink numbers. */
  readonly sinks: readonly string[];
}

export class Task implements TaskProgram {
  readonly stores: readonly StateStore[];
  readonly metrics: TaskMetrics = { late: 0, deadLettered: 0 };
  readonly #plan: TaskPlan;
  readonly #partition: number;
  readonly #collector: OutputCollector;
  readonly #ctx: TaskContext;
  readonly #log = new InputLog();
  readonly #outlet: Outlet;
  readonly #decode: (record: InputRecord) => unknown;
  readonly #hasKey: boolean;
  readonly #timestamp: ((value: unknown) => number) | undefined;
  readonly #first: Receiver;

  constructor(plan: TaskPlan, partition: number, collector: OutputCollector, guard: StateGuard | undefined) {
    const { app, format, source, root } = plan;
    this.#plan = plan;
    this.#partition = partition;
    this.#collector = collector;
    this.#ctx = new TaskContext(app.name, `${source}/${partition}`);
    this.#outlet = new Outlet(collector, this.#ctx);
    this.#decode = decoderOf(format, source);
    this.#hasKey = format.key === 'utf8';
    this.#timestamp = format.timestamp as ((value: unknown) => number) | undefined;
    const stores: StateStore[] = [];
    this.#first = this.#assemble(root, stores, new Map(), guard);
    this.stores = stores;
  }

  process(record: InputRecord): void {
    const { late } = this.metrics;
    try {
      this.#apply(record);
    } catch (thrown) {
      this.#log.undo();
      this.metrics.late = late;
      this.#refuse(record, thrown);
      return;
    }
    this.#log.forget();
  }

  digest(): string {
    return digestOf(this.stores);
  }

  #apply(record: InputRecord): void {
    this.#outlet.begin();
    if (this.#hasKey && record.keyEnd < 0) throw new InvalidRecord('the key is null');
    if (record.valueEnd < 0) throw new InvalidRecord('the value is null');
    const value = this.#decode(record);
    this.#ctx.begin(record, this.#timeOf(record, value), this.#hasKey);
    this.#first.take(value);
  }

  #timeOf(record: InputRecord, value: unknown): number {
    const timestamp = this.#timestamp;
    if (timestamp === undefined) return record.timestamp_ms;
    const time_ms = timestamp(value);
    if (Number.isSafeInteger(time_ms)) return time_ms;
    throw new InvalidRecord(`its timestamp is not a whole number of milliseconds: ${String(time_ms)}`);
  }

  /** Everything the record did to state has been taken back already. */
  #refuse(record: InputRecord, thrown: unknown): void {
    // Not the record's fault, and it would be the same for every other: never diverted.
    if (this.#outlet.handingOver || thrown instanceof TopologyError) throw thrown;
    this.#collector.undoInput();
    const { app, format, source } = this.#plan;
    const code: InputErrorCode = thrown instanceof InvalidRecord ? 'invalid-record' : 'app-threw';
    const setting = code === 'invalid-record' ? 'onInvalid' : 'onError';
    const policy = code === 'invalid-record' ? format.onInvalid : app.onError;
    if (policy === 'dead-letter') {
      this.#deadLetter(record, code, reasonOf(thrown));
      return;
    }
    const { position } = record;
    const partition = this.#partition;
    throw new InputError(
      { code, source, partition, position },
      `app '${app.name}' cannot go past source '${source}' partition ${partition} position ${position}: ` +
        `${code === 'app-threw' ? 'the app threw: ' : ''}${reasonOf(thrown)} ` +
        `(correct the app, or divert such records with ${setting}: 'dead-letter')`,
      thrown,
    );
  }

  /** The record as it came, with its own headers and why it is here. */
  #deadLetter(record: InputRecord, code: InputErrorCode, reason: string): void {
    const { source, sinks } = this.#plan;
    const headers = [
      ...(record.headers() ?? []),
      'tandem.code',
      code,
      'tandem.reason',
      reason,
      'tandem.source',
      source,
    ];
    headers.push('tandem.partition', String(this.#partition), 'tandem.position', String(record.position));
    const value = record.valueEnd < 0 ? null : record.bytes.subarray(record.valueStart, record.valueEnd);
    this.#collector.emitWithInputKey(sinks.indexOf(deadLetterSink), record, value, record.timestamp_ms, headers);
    this.metrics.deadLettered += 1;
  }

  /** From the node downwards; a node with several parents is made once. */
  #assemble(node: Node, stores: StateStore[], made: Map<Node, Receiver>, guard: StateGuard | undefined): Receiver {
    const existing = made.get(node);
    if (existing !== undefined) return existing;
    const own = this.#storesOf(node.operator);
    stores.push(...own.list);
    const children = node.children.map((child) => this.#assemble(child, stores, made, guard));
    const [only = nowhere] = children;
    const receiver = this.#receiver(node.operator, own, children.length > 1 ? new FanOut(children) : only, guard);
    made.set(node, receiver);
    return receiver;
  }

  #storesOf(operator: Operator): OwnStores {
    if (operator.kind === 'fold') {
      const keyed = new KeyedStore(operator.store, this.#log);
      return { list: [keyed], keyed };
    }
    if (operator.kind === 'window-fold') {
      const store = new WindowStore(operator.store, this.#log);
      // No author's store has a '#' in its name.
      const time = new TimeStore(`${operator.store}#time`, this.#log);
      return { list: [store, time], windowed: { store, time } };
    }
    return { list: [] };
  }

  #receiver(operator: Operator, own: OwnStores, next: Receiver, guard: StateGuard | undefined): Receiver {
    const ctx = this.#ctx;
    switch (operator.kind) {
      case 'source':
      case 'merge':
        return next;
      case 'filter':
        return new Filter(operator.keep, ctx, next);
      case 'map':
        return new MapValue(operator.change, ctx, next);
      case 'flat-map':
        return new FlatMap(operator.change, ctx, next);
      case 'select-key':
        return new SelectKey(operator.select, ctx, next);
      case 'fold':
        if (own.keyed === undefined) throw new Error('unreachable: a fold has a store');
        if (operator.fold.initial !== undefined) guard?.(operator.store, operator.fold.initial);
        return new FoldByKey(operator.fold, own.keyed, ctx, next, guard);
      case 'window-fold': {
        if (own.windowed === undefined) throw new Error('unreachable: a window fold has a store');
        const { fold, windows, emit } = operator;
        if (fold.initial !== undefined) guard?.(operator.store, fold.initial);
        const options = { steps: fold, counts: fold.kind === 'count', windows, emit };
        return new WindowFold(options, own.windowed, { ctx, metrics: this.metrics, guard }, next);
      }
      case 'sink': {
        const { sink } = operator;
        const format = this.#plan.app.sinks[sink];
        if (format === undefined) throw new Error(`unreachable: sink '${sink}' was checked`);
        return new Sink(this.#plan.sinks.indexOf(sink), encoderOf(format, sink), this.#outlet);
      }
    }
  }
}

interface OwnStores {
  readonly list: readonly StateStore[];
  readonly keyed?: KeyedStore;
  readonly windowed?: { readonly store: WindowStore; readonly time: TimeStore };
}

function decoderOf(format: AnyFormat, source: string): (record: InputRecord) => unknown {
  const { codec, schema } = format;
  const read = (record: InputRecord): unknown => {
    try {
      return codec.decode(record.bytes, record.valueStart, record.valueEnd);
    } catch (thrown) {
      if (thrown instanceof InvalidRecord) throw thrown;
      throw new InvalidRecord(`its value is not ${codec.name}: ${reasonOf(thrown)}`, { cause: thrown });
    }
  };
  if (schema === undefined) return read;
  return (record) => {
    const result = validate(schema, read(record), `source '${source}'`);
    if (result.issues === undefined) return result.value;
    throw new InvalidRecord(`its value does not fit the schema: ${describeIssues(result.issues)}`);
  };
}

function encoderOf(format: AnyFormat, sink: string): (value: unknown) => string | Uint8Array {
  const { codec, schema } = format;
  if (schema === undefined) return (value) => codec.encode(value);
  return (value) => {
    const result = validate(schema, value, `sink '${sink}'`);
    if (result.issues === undefined) return codec.encode(result.value);
    throw new TypeError(`an output does not fit the schema of sink '${sink}': ${describeIssues(result.issues)}`);
  };
}
