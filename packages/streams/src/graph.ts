// An app's topology as plain nodes: what was asked for, checked, and its identity. Nothing runs here.
import type { App } from './dsl.ts';
import { TopologyError } from './errors.ts';
import type { AnyFormat } from './format.ts';
import { hashText64 } from './hash.ts';
import type { TumblingWindows } from './windows.ts';

/** A function of the author's, with its types erased: the public interfaces have checked them. */
export type AuthorFunction = (...args: readonly never[]) => unknown;

export type Emit = 'on-update' | 'on-close';

/** How a total is made: `initial` undefined means that the first value is the first total. */
export interface Fold {
  readonly kind: 'aggregate' | 'count' | 'reduce';
  readonly initial: unknown;
  readonly add: AuthorFunction;
}

export type Operator =
  | { readonly kind: 'source'; readonly source: string }
  | { readonly kind: 'filter'; readonly keep: AuthorFunction }
  | { readonly kind: 'map'; readonly change: AuthorFunction }
  | { readonly kind: 'flat-map'; readonly change: AuthorFunction }
  | { readonly kind: 'select-key'; readonly select: AuthorFunction }
  | { readonly kind: 'merge' }
  | { readonly kind: 'fold'; readonly store: string; readonly fold: Fold }
  | {
      readonly kind: 'window-fold';
      readonly store: string;
      readonly fold: Fold;
      readonly windows: TumblingWindows;
      readonly emit: Emit;
    }
  | { readonly kind: 'sink'; readonly sink: string };

export interface Node {
  readonly operator: Operator;
  readonly parents: readonly Node[];
  /** Where its records come from. */
  readonly source: string;
  /** The key is not the input's any more. */
  readonly rekeyed: boolean;
  /** In the order in which the author attached them, which is the order in which they run. */
  readonly children: Node[];
}

export const deadLetterSink = 'deadLetter';

const namePattern = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;

export class Graph {
  readonly #app: App;
  /** In the order of their making: parents before children. */
  readonly #nodes: Node[] = [];
  readonly #stores = new Set<string>();
  #sealed = false;

  /** @throws TopologyError for names and versions that do not do. */
  constructor(app: App) {
    this.#app = app;
    checkName('app', app.name);
    if (!Number.isSafeInteger(app.version) || app.version < 1) {
      throw new TopologyError('bad-version', `app '${app.name}': its version must be an integer >= 1`);
    }
    for (const name of Object.keys(app.sources)) checkName('source', name);
    for (const name of Object.keys(app.sinks)) checkName('sink', name);
  }

  source(name: string): Node {
    if (!Object.hasOwn(this.#app.sources, name)) {
      throw new TopologyError('unknown-source', unknownName('source', name, this.#app.sources));
    }
    const existing = this.#nodes.find(({ operator }) => operator.kind === 'source' && operator.source === name);
    return existing ?? this.#add({ kind: 'source', source: name }, [], name, false);
  }

  then(parent: Node, operator: Operator): Node {
    return this.#add(operator, [parent], parent.source, parent.rekeyed || operator.kind === 'select-key');
  }

  merge(one: Node, other: Node): Node {
    if (one.source !== other.source) {
      throw new TopologyError(
        'several-sources',
        `merge of sources '${one.source}' and '${other.source}': inputs of several sources have no order of their own ` +
          `yet; merge streams of one source, or bring both into one topic`,
      );
    }
    return this.#add({ kind: 'merge' }, [one, other], one.source, one.rekeyed || other.rekeyed);
  }

  /** A node that keeps a store: its key must be the record's own, and the store's name new. */
  keyed(parent: Node, operator: Operator & { readonly store: string }): Node {
    const { store } = operator;
    checkName('store', store);
    if (this.#stores.has(store)) {
      throw new TopologyError('duplicate-store', `store '${store}' is declared twice: give each store its own name`);
    }
    this.#stores.add(store);
    return this.then(parent, operator);
  }

  /** Before grouping. */
  checkGroupable(node: Node): void {
    if (node.rekeyed) {
      throw new TopologyError(
        'repartition-needed',
        `groupByKey after selectKey on source '${node.source}': records of one key would be spread over partitions; ` +
          `send them to a sink with the new key and group them in an app that reads it`,
      );
    }
    if (this.#format(node.source).key === 'none') {
      throw new TopologyError(
        'key-needed',
        `groupByKey on source '${node.source}': it declares no key; add key: 'utf8' to its format`,
      );
    }
  }

  sink(parent: Node, name: string): void {
    if (!Object.hasOwn(this.#app.sinks, name)) {
      throw new TopologyError('unknown-sink', unknownName('sink', name, this.#app.sinks));
    }
    this.then(parent, { kind: 'sink', sink: name });
  }

  /** @throws TopologyError for what only shows when everything is put together. */
  seal(): readonly Node[] {
    this.#sealed = true;
    this.#checkDeadLetters();
    for (const source of Object.keys(this.#app.sources)) {
      const used = this.#nodes.some((node) => node.source === source && endsSomewhere(node));
      if (!used) {
        throw new TopologyError(
          'unused-source',
          `source '${source}' is declared but nothing it brings reaches a sink or a store: use it or remove it`,
        );
      }
    }
    for (const sink of Object.keys(this.#app.sinks)) {
      const used = this.#nodes.some(({ operator }) => operator.kind === 'sink' && operator.sink === sink);
      if (used || (sink === deadLetterSink && this.#wantsDeadLetters())) continue;
      const remedy =
        sink === deadLetterSink ? `set onInvalid or onError to 'dead-letter', or remove it` : 'use it or remove it';
      throw new TopologyError('unused-sink', `sink '${sink}' is declared but nothing is ever sent to it: ${remedy}`);
    }
    return this.#nodes;
  }

  #wantsDeadLetters(): boolean {
    return Object.keys(this.#app.sources).some((source) => sendsDeadLetters(this.#app, source));
  }

  #checkDeadLetters(): void {
    if (!this.#wantsDeadLetters()) return;
    const sink = this.#app.sinks[deadLetterSink];
    if (sink?.codec.name === 'raw') return;
    throw new TopologyError(
      'dead-letter-sink',
      `app '${this.#app.name}' asks for dead letters: declare a sink ${deadLetterSink}: raw()`,
    );
  }

  #format(source: string): AnyFormat {
    const format = this.#app.sources[source];
    if (format === undefined) throw new Error(`unreachable: source '${source}' was checked`);
    return format;
  }

  #add(operator: Operator, parents: readonly Node[], source: string, rekeyed: boolean): Node {
    if (this.#sealed) {
      throw new TopologyError('build-over', `app '${this.#app.name}': streams can only be used inside build()`);
    }
    const node: Node = { operator, parents, source, rekeyed, children: [] };
    for (const parent of parents) {
      if (!this.#nodes.includes(parent)) {
        throw new TopologyError('build-over', `app '${this.#app.name}': a stream of another app was used in build()`);
      }
      parent.children.push(node);
    }
    this.#nodes.push(node);
    return node;
  }
}

export function sendsDeadLetters(app: App, source: string): boolean {
  return app.onError === 'dead-letter' || app.sources[source]?.onInvalid === 'dead-letter';
}

/** Of everything that a snapshot's meaning depends on, and nothing else: the functions may change. */
export function hashOf(app: App, nodes: readonly Node[]): string {
  const formats = (all: Readonly<Record<string, AnyFormat>>): unknown =>
    Object.entries(all).map(([name, { codec, key }]) => [name, codec.name, key]);
  const operators = nodes.map((node) => [
    node.parents.map((parent) => nodes.indexOf(parent)),
    ...identity(node.operator),
  ]);
  return hashText64(JSON.stringify([formats(app.sources), formats(app.sinks), operators]));
}

function identity(operator: Operator): readonly (string | number)[] {
  const { kind } = operator;
  switch (kind) {
    case 'source':
      return [kind, operator.source];
    case 'sink':
      return [kind, operator.sink];
    case 'fold':
      return [kind, operator.fold.kind, operator.store];
    case 'window-fold': {
      const { windows, fold, store, emit } = operator;
      return [kind, fold.kind, store, emit, windows.kind, windows.size_ms, windows.grace_ms];
    }
    case 'filter':
    case 'map':
    case 'flat-map':
    case 'select-key':
    case 'merge':
      return [kind];
  }
}

function endsSomewhere({ operator }: Node): boolean {
  return operator.kind === 'sink' || operator.kind === 'fold' || operator.kind === 'window-fold';
}

function checkName(what: string, name: string): void {
  if (namePattern.test(name)) return;
  throw new TopologyError(
    'bad-name',
    `${what} '${name}': a name is a letter followed by up to 62 letters, digits, '-' or '_'`,
  );
}

function unknownName(what: string, name: string, declared: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(declared).join(', ');
  return `${what} '${name}' is not declared: declare it in ${what}s (there ${names === '' ? 'is none' : `are: ${names}`})`;
}
