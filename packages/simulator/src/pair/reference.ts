// What an app has to put out, from its inputs alone: every sink's outputs of each task, in order.
import type { TaskId } from '@tandem/pair';
import { testDriver, type App, type TestOutput } from '@tandem/streams';
import type { MemoryRecord } from '../source-log.ts';

export interface ExpectedOutput {
  readonly position: number;
  readonly key: string | null;
  readonly value: string;
}

export class Reference {
  readonly #driver;
  readonly #app: App;
  readonly #expected = new Map<string, ExpectedOutput[]>();
  /** Tasks whose app has thrown, and the position of the input that it threw at. */
  readonly #broken = new Map<TaskId, number>();
  readonly #fed = new Map<TaskId, number>();

  constructor(app: App) {
    this.#app = app;
    this.#driver = testDriver(app);
  }

  feed(source: string, partition: number, record: MemoryRecord): void {
    const task = `${source}/${String(partition)}`;
    const position = this.#fed.get(task) ?? 0;
    this.#fed.set(task, position + 1);
    if (this.#broken.has(task)) return;
    try {
      this.#driver.pipeRaw(source, {
        partition,
        key: record.key === null ? null : Buffer.from(record.key).toString(),
        value: record.value,
        timestamp_ms: record.timestamp_ms,
      });
    } catch {
      this.#broken.set(task, position);
    }
    for (const sink of Object.keys(this.#app.sinks)) {
      for (const output of this.#driver.read(sink)) this.#add(sink, output);
    }
  }

  /** In order; grows as the app is fed. */
  of(sink: string, task: TaskId): readonly ExpectedOutput[] {
    return this.#expected.get(`${sink} ${task}`) ?? [];
  }

  get sinks(): readonly string[] {
    return Object.keys(this.#app.sinks);
  }

  /** Whether an input has come that the app throws at, so that it fails on every node. */
  get isBroken(): boolean {
    return this.#broken.size > 0;
  }

  #add(sink: string, { source, partition, position, key, value }: TestOutput<unknown>): void {
    const name = `${sink} ${source}/${String(partition)}`;
    const outputs = this.#expected.get(name) ?? [];
    this.#expected.set(name, outputs);
    outputs.push({ position, key, value: JSON.stringify(value) });
  }
}
