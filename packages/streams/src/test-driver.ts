// Runs an app in memory for its author's tests: typed records in, typed outputs out, no clock.
import { compileGuarded } from './compile.ts';
import type { App, Formats } from './dsl.ts';
import { InputError, TopologyError } from './errors.ts';
import type { AnyFormat, Format } from './format.ts';
import type { InputRecord, OutputCollector, StateStore, TaskProgram } from './runtime.ts';
import { copyState, explainMutation, freezeState } from './state-guard.ts';

type ReadBy<F> = F extends Format<infer Read, unknown, string | null> ? Read : never;
type WrittenBy<F> = F extends Format<unknown, infer Write, string | null> ? Write : never;

export interface TestRecord {
  readonly key?: string | null;
  /** Default 0. */
  readonly timestamp_ms?: number;
  /** Default 0. */
  readonly partition?: number;
}

export interface RawTestRecord extends TestRecord {
  /** Text is written as UTF-8. */
  readonly value: string | Uint8Array | null;
  /** Flat: name, value, ... */
  readonly headers?: readonly string[];
}

export interface TestOutput<Value> {
  readonly key: string | null;
  readonly value: Value;
  readonly timestamp_ms: number;
  readonly headers: readonly string[];
  /** The task that put it out and the position of its input. */
  readonly source: string;
  readonly partition: number;
  readonly position: number;
}

export interface TestDriverOptions {
  /**
   * `after-each-input`: state goes through a snapshot and back after every record, so that a test shows what would
   * not survive. Default `never`.
   */
  readonly restart?: 'after-each-input' | 'never';
}

/** Methods throw what a running app would: `InputError` for a record it refuses. */
export interface TestDriver<Sources extends Formats, Sinks extends Formats> {
  /** Writes one value to a source in the form its records have on the wire. */
  pipe<Name extends keyof Sources & string>(source: Name, value: WrittenBy<Sources[Name]>, record?: TestRecord): void;
  /** Writes bytes as they are, valid or not. */
  pipeRaw(source: keyof Sources & string, record: RawTestRecord): void;
  /** Takes what was put out to a sink since the last call, in order. */
  read<Name extends keyof Sinks & string>(sink: Name): readonly TestOutput<ReadBy<Sinks[Name]>>[];
  /** Only the values of `read`. */
  values<Name extends keyof Sinks & string>(sink: Name): readonly ReadBy<Sinks[Name]>[];
  /** A keyed store, in insertion order. */
  state(store: string, partition?: number): ReadonlyMap<string, unknown>;
  /** Takes every task's state through a snapshot into a new task. */
  restart(): void;
  /** Records that came after their window had closed, over all tasks. */
  readonly late: number;
  readonly deadLettered: number;
}

/** State values are frozen: code that changes one in place throws here. @throws TopologyError as `compileApp` does. */
export function testDriver<Sources extends Formats, Sinks extends Formats>(
  app: App<Sources, Sinks>,
  options: TestDriverOptions = {},
): TestDriver<Sources, Sinks> {
  const driver: unknown = new Driver(app, options);
  return driver as TestDriver<Sources, Sinks>;
}

interface RunningTask {
  readonly source: string;
  readonly partition: number;
  readonly outlet: Outlet;
  program: TaskProgram;
  position: number;
}

class Driver {
  readonly #app: App;
  readonly #topology: ReturnType<typeof compileGuarded>;
  readonly #restarts: boolean;
  readonly #tasks = new Map<string, RunningTask>();
  readonly #outputs = new Map<string, TestOutput<unknown>[]>();

  constructor(app: App, { restart = 'never' }: TestDriverOptions) {
    this.#app = app;
    this.#topology = compileGuarded(app, freezeState);
    this.#restarts = restart === 'after-each-input';
  }

  get late(): number {
    return this.#sum((program) => program.metrics.late);
  }

  get deadLettered(): number {
    return this.#sum((program) => program.metrics.deadLettered);
  }

  pipe(source: string, value: unknown, record: TestRecord = {}): void {
    this.pipeRaw(source, { ...record, value: formatOf(this.#app.sources, source).codec.encode(value) });
  }

  pipeRaw(source: string, record: RawTestRecord): void {
    const task = this.#task(source, record.partition ?? 0);
    const input = inputOf(record, task.position);
    task.outlet.begin();
    try {
      task.program.process(input);
    } catch (thrown) {
      throw explained(thrown);
    }
    this.#publish(task, task.outlet.outputs);
    task.position += 1;
    if (this.#restarts) this.#restart(task);
  }

  read(sink: string): readonly TestOutput<unknown>[] {
    formatOf(this.#app.sinks, sink);
    const outputs = this.#outputs.get(sink) ?? [];
    this.#outputs.delete(sink);
    return outputs;
  }

  values(sink: string): readonly unknown[] {
    return this.read(sink).map(({ value }) => value);
  }

  state(store: string, partition = 0): ReadonlyMap<string, unknown> {
    const owner = this.#topology.subTopologies.find(({ stores }) => stores.includes(store));
    if (owner === undefined) throw new RangeError(`the app has no store '${store}'`);
    const found = this.#task(owner.source, partition).program.stores.find(({ name }) => name === store);
    const entries = found === undefined ? [] : snapshotOf(found);
    return new Map(
      entries.map((entry) => {
        const [key, value] = entry;
        if (entry.length !== 2) throw new RangeError(`'${store}' is a window store: look at its outputs instead`);
        return [String(key), value];
      }),
    );
  }

  restart(): void {
    for (const task of this.#tasks.values()) this.#restart(task);
  }

  #restart(task: RunningTask): void {
    const before = task.program;
    const after = this.#topology.createTask(task.source, task.partition, task.outlet);
    for (const [i, store] of before.stores.entries()) {
      for (const entry of snapshotOf(store)) {
        const copy = entry.map(copyState);
        for (const part of copy) freezeState(store.name, part);
        after.stores[i]?.restore(copy);
      }
    }
    Object.assign(after.metrics, before.metrics);
    task.program = after;
  }

  #task(source: string, partition: number): RunningTask {
    formatOf(this.#app.sources, source);
    const id = `${source}/${partition}`;
    const existing = this.#tasks.get(id);
    if (existing !== undefined) return existing;
    const outlet = new Outlet();
    const program = this.#topology.createTask(source, partition, outlet);
    const task: RunningTask = { source, partition, outlet, program, position: 0 };
    this.#tasks.set(id, task);
    return task;
  }

  #publish({ source, partition, position }: RunningTask, outputs: readonly RawOutput[]): void {
    for (const { sink, key, value, timestamp_ms, headers } of outputs) {
      const name = this.#topology.sinks[sink];
      if (name === undefined) throw new RangeError(`no sink has the number ${sink}`);
      const decoded = formatOf(this.#app.sinks, name).codec.decode(value, 0, value.length);
      const list = this.#outputs.get(name) ?? [];
      list.push({ key, value: decoded, timestamp_ms, headers, source, partition, position });
      this.#outputs.set(name, list);
    }
  }

  #sum(count: (program: TaskProgram) => number): number {
    let sum = 0;
    for (const { program } of this.#tasks.values()) sum += count(program);
    return sum;
  }
}

interface RawOutput {
  readonly sink: number;
  readonly key: string | null;
  readonly value: Buffer;
  readonly timestamp_ms: number;
  readonly headers: readonly string[];
}

class Outlet implements OutputCollector {
  outputs: RawOutput[] = [];

  begin(): void {
    this.outputs = [];
  }

  emit(
    sink: number,
    key: string | Uint8Array | null,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers: readonly string[] = [],
  ): void {
    const keyText = key === null ? null : Buffer.from(key).toString('utf8');
    this.outputs.push({ sink, key: keyText, value: Buffer.from(value ?? ''), timestamp_ms, headers });
  }

  emitWithInputKey(
    sink: number,
    input: InputRecord,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers: readonly string[] = [],
  ): void {
    const key = input.keyEnd < 0 ? null : input.bytes.subarray(input.keyStart, input.keyEnd);
    this.emit(sink, key, value, timestamp_ms, headers);
  }

  undoInput(): void {
    this.outputs = [];
  }
}

function inputOf({ key = null, value, timestamp_ms = 0, headers }: RawTestRecord, position: number): InputRecord {
  const keyBytes = Buffer.from(key ?? '');
  const valueBytes = Buffer.from(value ?? '');
  return {
    position,
    timestamp_ms,
    bytes: Buffer.concat([keyBytes, valueBytes]),
    keyStart: 0,
    keyEnd: key === null ? -1 : keyBytes.length,
    valueStart: keyBytes.length,
    valueEnd: value === null ? -1 : keyBytes.length + valueBytes.length,
    headers: () => headers,
  };
}

function snapshotOf(store: StateStore): (readonly unknown[])[] {
  const entries: (readonly unknown[])[] = [];
  const cut = store.openCut();
  cut.drain((entry) => entries.push(entry) > 0);
  cut.close();
  return entries;
}

function formatOf(formats: Formats, name: string): AnyFormat {
  const format = formats[name];
  if (format === undefined) throw new TopologyError('unknown-source', `the app has no source or sink '${name}'`);
  return format;
}

function explained(thrown: unknown): unknown {
  if (!(thrown instanceof InputError)) return thrown;
  const cause = explainMutation(thrown.cause);
  if (cause === thrown.cause || !(cause instanceof Error)) return thrown;
  const { code, source, partition, position } = thrown;
  return new InputError(
    { code, source, partition, position },
    `app at source '${source}' partition ${partition} position ${position}: ${cause.message}`,
    cause,
  );
}
