// The author's calls inside build(), turned into nodes of the graph.
import type {
  AggregateOptions,
  EmitOptions,
  Flow,
  Formats,
  Grouped,
  RecordContext,
  Reduce,
  Stream,
  Table,
  WindowCount,
  Windowed,
  WindowValue,
} from './dsl.ts';
import { TopologyError } from './errors.ts';
import type { Fold, Graph, Node } from './graph.ts';
import type { TumblingWindows } from './windows.ts';

/** `from` answers the type that the public `Flow` derives from the source's format. */
export class GraphFlow implements Pick<Flow<Formats, Formats>, 'every'> {
  readonly #graph: Graph;
  constructor(graph: Graph) {
    this.#graph = graph;
  }

  from(source: string): Stream<Formats, unknown, string | null> {
    return new GraphStream(this.#graph, this.#graph.source(source));
  }

  every(): never {
    throw new TopologyError(
      'wall-clock-timer',
      'every: wall-clock timers have no order among the inputs yet; use windows of record time',
    );
  }
}

class GraphStream<Sinks extends Formats, Value, Key extends string | null> implements Stream<Sinks, Value, Key> {
  readonly #graph: Graph;
  readonly node: Node;
  constructor(graph: Graph, node: Node) {
    this.#graph = graph;
    this.node = node;
  }

  filter<Kept extends Value>(keep: (value: Value, ctx: RecordContext<Key>) => boolean): GraphStream<Sinks, Kept, Key> {
    return this.#then({ kind: 'filter', keep });
  }

  map<Next>(change: (value: Value, ctx: RecordContext<Key>) => Next): Stream<Sinks, Next, Key> {
    return this.#then({ kind: 'map', change });
  }

  flatMap<Next>(change: (value: Value, ctx: RecordContext<Key>) => Iterable<Next>): Stream<Sinks, Next, Key> {
    return this.#then({ kind: 'flat-map', change });
  }

  merge<Other>(other: Stream<Sinks, Other, Key>): Stream<Sinks, Value | Other, Key> {
    if (!(other instanceof GraphStream)) throw new TypeError('merge takes a stream');
    return new GraphStream(this.#graph, this.#graph.merge(this.node, other.node));
  }

  selectKey<Next extends string | null>(
    select: (value: Value, ctx: RecordContext<Key>) => Next,
  ): Stream<Sinks, Value, Next> {
    return this.#then({ kind: 'select-key', select });
  }

  groupByKey(): Grouped<Sinks, Value> {
    this.#graph.checkGroupable(this.node);
    return new GraphGrouped(this.#graph, this.node);
  }

  to(sink: string): void {
    this.#graph.sink(this.node, sink);
  }

  join(): never {
    throw new TopologyError(
      'several-sources',
      `join on source '${this.node.source}': inputs of several sources have no order of their own yet; ` +
        'bring both into one topic and aggregate by key',
    );
  }

  groupBy(): never {
    throw new TopologyError(
      'repartition-needed',
      `groupBy on source '${this.node.source}': another key needs a repartition log; use groupByKey, or selectKey to a sink`,
    );
  }

  #then<Next, NextKey extends string | null>(
    operator: Parameters<Graph['then']>[1],
  ): GraphStream<Sinks, Next, NextKey> {
    return new GraphStream(this.#graph, this.#graph.then(this.node, operator));
  }
}

class GraphGrouped<Sinks extends Formats, Value> implements Grouped<Sinks, Value> {
  readonly #graph: Graph;
  readonly #node: Node;
  constructor(graph: Graph, node: Node) {
    this.#graph = graph;
    this.#node = node;
  }

  aggregate<Total>(store: string, { initial, add }: AggregateOptions<Total, Value>): Table<Sinks, Total> {
    return this.#fold(store, { kind: 'aggregate', initial, add });
  }

  count(store: string): Table<Sinks, number> {
    return this.#fold(store, counting);
  }

  reduce(store: string, add: Reduce<Value>): Table<Sinks, Value> {
    return this.#fold(store, { kind: 'reduce', initial: undefined, add });
  }

  windowedBy(windows: TumblingWindows): Windowed<Sinks, Value> {
    return new GraphWindowed(this.#graph, this.#node, windows);
  }

  #fold<Total>(store: string, fold: Fold): Table<Sinks, Total> {
    return new GraphTable(this.#graph, this.#graph.keyed(this.#node, { kind: 'fold', store, fold }));
  }
}

class GraphWindowed<Sinks extends Formats, Value> implements Windowed<Sinks, Value> {
  readonly #graph: Graph;
  readonly #node: Node;
  readonly #windows: TumblingWindows;
  constructor(graph: Graph, node: Node, windows: TumblingWindows) {
    this.#graph = graph;
    this.#node = node;
    this.#windows = windows;
  }

  aggregate<Total>(
    store: string,
    { initial, add, ...options }: AggregateOptions<Total, Value> & EmitOptions,
  ): Table<Sinks, WindowValue<Total>> {
    return this.#fold(store, { kind: 'aggregate', initial, add }, options);
  }

  count(store: string, options: EmitOptions = {}): Table<Sinks, WindowCount> {
    return this.#fold(store, counting, options);
  }

  reduce(store: string, add: Reduce<Value>, options: EmitOptions = {}): Table<Sinks, WindowValue<Value>> {
    return this.#fold(store, { kind: 'reduce', initial: undefined, add }, options);
  }

  #fold<Result>(store: string, fold: Fold, { emit = 'on-update' }: EmitOptions): Table<Sinks, Result> {
    const operator = { kind: 'window-fold', store, fold, windows: this.#windows, emit } as const;
    return new GraphTable(this.#graph, this.#graph.keyed(this.#node, operator));
  }
}

class GraphTable<Sinks extends Formats, Value> implements Table<Sinks, Value> {
  readonly #graph: Graph;
  readonly #node: Node;
  constructor(graph: Graph, node: Node) {
    this.#graph = graph;
    this.#node = node;
  }

  toStream(): Stream<Sinks, Value, string> {
    return new GraphStream(this.#graph, this.#node);
  }
}

const counting: Fold = { kind: 'count', initial: 0, add: (total: number) => total + 1 };
