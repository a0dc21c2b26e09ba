// What an app author writes against: the types of an app and of its streams.
import type { AnyFormat, Format } from './format.ts';
import type { TumblingWindows } from './windows.ts';

export type Formats = Readonly<Record<string, AnyFormat>>;

/** What operators may know beside the value. The same object every time: not to be kept. */
export interface RecordContext<Key extends string | null> {
  /** Time of the record in ms (of a window's result: end of the window - 1). There is no other clock. */
  readonly now: number;
  /** The record's key; null where the source declares none. */
  readonly key: Key;
  /** In [0, 1); the same on both nodes and in a replay. Not for secrets. */
  random(): number;
}

/** Names of the sinks that take this type of value. */
export type SinkFor<Sinks extends Formats, Value> = {
  [Name in keyof Sinks & string]: Sinks[Name] extends Format<unknown, infer Write, string | null>
    ? [Value] extends [Write]
      ? Name
      : never
    : never;
}[keyof Sinks & string];

/** Records flowing through the app. Operators are synchronous and never do I/O. */
export interface Stream<Sinks extends Formats, Value, Key extends string | null> {
  filter<Kept extends Value>(keep: (value: Value, ctx: RecordContext<Key>) => value is Kept): Stream<Sinks, Kept, Key>;
  filter(keep: (value: Value, ctx: RecordContext<Key>) => boolean): Stream<Sinks, Value, Key>;
  /** Changes the value. The key stays. */
  map<Next>(change: (value: Value, ctx: RecordContext<Key>) => Next): Stream<Sinks, Next, Key>;
  /** None, one or several values for each. */
  flatMap<Next>(change: (value: Value, ctx: RecordContext<Key>) => Iterable<Next>): Stream<Sinks, Next, Key>;
  /** Both streams as one; they must come from the same source. */
  merge<Other>(other: Stream<Sinks, Other, Key>): Stream<Sinks, Value | Other, Key>;
  /** Changes the key that sinks see. A stream with a changed key cannot be grouped: that needs a repartition log. */
  selectKey<Next extends string | null>(
    select: (value: Value, ctx: RecordContext<Key>) => Next,
  ): Stream<Sinks, Value, Next>;
  groupByKey(this: Stream<Sinks, Value, string>): Grouped<Sinks, Value>;
  to(sink: SinkFor<Sinks, Value>): void;
  /** Not offered yet, always refused: joining needs the order of several inputs. */
  join(...sources: readonly unknown[]): never;
  /** Not offered yet, always refused: grouping by another key needs a repartition log. */
  groupBy(...select: readonly unknown[]): never;
}

export interface AggregateOptions<Total, Value> {
  /** The total of a key that has none yet. */
  readonly initial: Total;
  /**
   * The new total. State values are immutable: return a new object, never change `total`. `undefined` forgets the
   * key, and nothing flows on.
   */
  readonly add: (total: Total, value: Value, ctx: RecordContext<string>) => Total | undefined;
}

export type Reduce<Value> = (total: Value, value: Value, ctx: RecordContext<string>) => Value | undefined;

/** Records by key. Each operation keeps a store of its own under the given name. */
export interface Grouped<Sinks extends Formats, Value> {
  aggregate<Total>(store: string, options: AggregateOptions<Total, Value>): Table<Sinks, Total>;
  count(store: string): Table<Sinks, number>;
  /** The first value of a key is its first total. */
  reduce(store: string, add: Reduce<Value>): Table<Sinks, Value>;
  windowedBy(windows: TumblingWindows): Windowed<Sinks, Value>;
}

/** `on-update` (default): every record gives a result. `on-close`: one result per key when the window closes. */
export interface EmitOptions {
  readonly emit?: 'on-update' | 'on-close';
}

/** The window [start, end) in ms and what was counted in it. */
export interface WindowCount {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

export interface WindowValue<Value> {
  readonly start: number;
  readonly end: number;
  readonly value: Value;
}

/** Records by window and key. Time is the largest record time seen here; records of closed windows count as late. */
export interface Windowed<Sinks extends Formats, Value> {
  aggregate<Total>(
    store: string,
    options: AggregateOptions<Total, Value> & EmitOptions,
  ): Table<Sinks, WindowValue<Total>>;
  count(store: string, options?: EmitOptions): Table<Sinks, WindowCount>;
  reduce(store: string, add: Reduce<Value>, options?: EmitOptions): Table<Sinks, WindowValue<Value>>;
}

export interface Table<Sinks extends Formats, Value> {
  /** What `add` returned, each time it did; for windows, their results. */
  toStream(): Stream<Sinks, Value, string>;
}

export interface Flow<Sources extends Formats, Sinks extends Formats> {
  from<Name extends keyof Sources & string>(
    source: Name,
  ): Sources[Name] extends Format<infer Read, unknown, infer Key> ? Stream<Sinks, Read, Key> : never;
  /** Not offered yet, always refused: wall-clock timers are inputs of their own and need an order. */
  every(...timer: readonly unknown[]): never;
}

export interface AppDefinition<Sources extends Formats, Sinks extends Formats> {
  readonly name: string;
  /** An integer >= 1 that grows with every change of what the app puts out. */
  readonly version: number;
  readonly sources: Sources;
  /** A sink named `deadLetter`, made with `raw()`, is needed where `dead-letter` is asked for. */
  readonly sinks: Sinks;
  /** Puts the app together; called once, synchronously. */
  readonly build: (flow: Flow<Sources, Sinks>) => void;
  /** What to do with a record that the app throws on. Default `halt`. */
  readonly onError?: 'halt' | 'dead-letter';
}

/** An app as `defineApp` made it. */
export interface App<Sources extends Formats = Formats, Sinks extends Formats = Formats> {
  readonly name: string;
  readonly version: number;
  readonly sources: Sources;
  readonly sinks: Sinks;
  readonly onError: 'halt' | 'dead-letter';
  readonly build: (flow: Flow<never, never>) => void;
}

/** Nothing is checked or run yet: `compileApp` and `testDriver` do that. */
export function defineApp<const Sources extends Formats, const Sinks extends Formats>(
  definition: AppDefinition<Sources, Sinks>,
): App<Sources, Sinks> {
  const { name, version, sources, sinks, build, onError } = definition;
  return {
    name,
    version,
    sources,
    sinks,
    onError: onError ?? 'halt',
    build: build as unknown as (flow: Flow<never, never>) => void,
  };
}
