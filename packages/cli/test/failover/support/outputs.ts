// Every output of the apps against the reference: nothing missing, doubled, changed or out of order.
import { partitionOf, until, type Feed, type LogRecord, type Logs } from '@tandem/harness';
import { countingReference, firstDifference, type Output } from './reference.ts';
import { outputLog, partitions, sinks, type StagedApp } from './staged-apps.ts';

const everyPartition = Array.from({ length: partitions }, (_, partition) => partition);

type BySink = Readonly<Record<string, readonly Output[]>>;

export interface OutputsOptions {
  readonly logs: Logs;
  /** What was fed into a log. */
  readonly feed: (log: string) => Feed;
  /** Appends may have failed, and their answers may have been lost. */
  readonly mayLoseAnswers: () => boolean;
  /** How far the committed ends of a log have come. */
  readonly logEnd: (log: string) => Promise<number>;
}

export class Outputs {
  readonly #options: OutputsOptions;

  constructor(options: OutputsOptions) {
    this.#options = options;
  }

  /** Waits until all that the app must have put out is there. @returns the number of records compared. */
  async expectExact({ name, input }: StagedApp, limit_ms: number): Promise<number> {
    const due = await this.#ofEach((partition) => this.#due(input, partition));
    let compared = 0;
    for (const sink of sinks) {
      const wanted = due.map((outputs) => outputs[sink] ?? []);
      compared += await this.#expectLog(outputLog(name, sink), wanted, limit_ms);
    }
    return compared;
  }

  /** What an app that halted has put out: in each partition (but this one) the beginning of what it must. */
  async expectBeginning({ name, input }: StagedApp, without: number | undefined): Promise<void> {
    for (const partition of everyPartition) {
      if (partition === without) continue;
      const due = await this.#due(input, partition);
      for (const sink of sinks) {
        const log = outputLog(name, sink);
        const found = await this.#read(log, partition);
        const difference = firstDifference(found, (due[sink] ?? []).slice(0, found.length));
        if (difference !== undefined) throw new Error(`${log}, partition ${partition.toString()}: ${difference}`);
      }
    }
  }

  /** The input log must hold what was confirmed to the producer; it may hold more where answers were lost. */
  async #due(input: string, partition: number): Promise<BySink> {
    const feed = this.#options.feed(input);
    const inputs = await this.#read(input, partition);
    const values = inputs.map(({ value }) => value);
    const confirmed = feed.confirmed[partition] ?? [];
    if (feed.unanswered === 0) expect(values).toEqual(confirmed);
    else if (!this.#options.mayLoseAnswers()) {
      throw new Error(`an append to ${input} failed`, { cause: feed.lastTrouble });
    } else {
      const known = new Set(confirmed);
      expect(values.filter((value) => known.has(value))).toEqual(confirmed);
    }
    for (const { key } of inputs) expect(partitionOf(key ?? '', partitions)).toBe(partition);
    return countingReference(inputs);
  }

  async #expectLog(log: string, wanted: readonly (readonly Output[])[], limit_ms: number): Promise<number> {
    const due = wanted.reduce((sum, outputs) => sum + outputs.length, 0);
    const settled = await until({ limit_ms, pause_ms: 50 }, async () => {
      // Where ends count markers too, the last outputs may still be to come.
      const enough = (await this.#options.logEnd(log)) >= due;
      return enough && (await this.#differenceIn(log, wanted)) === undefined ? true : undefined;
    });
    const difference = settled === undefined ? await this.#differenceIn(log, wanted) : undefined;
    if (difference !== undefined) throw new Error(difference);
    return due;
  }

  async #differenceIn(log: string, wanted: readonly (readonly Output[])[]): Promise<string | undefined> {
    const differences = await this.#ofEach(async (partition) => {
      const difference = firstDifference(await this.#read(log, partition), wanted[partition] ?? []);
      return difference === undefined ? undefined : `${log}, partition ${partition.toString()}: ${difference}`;
    });
    return differences.find((difference) => difference !== undefined);
  }

  /** At once where each is read by a client of its own, which takes its time to begin. */
  async #ofEach<T>(look: (partition: number) => Promise<T>): Promise<T[]> {
    if (this.#options.logs.system === 'kafka') return await Promise.all(everyPartition.map(look));
    const found: T[] = [];
    for (const partition of everyPartition) found.push(await look(partition));
    return found;
  }

  async #read(log: string, partition: number): Promise<readonly LogRecord[]> {
    const records: LogRecord[] = [];
    for await (const page of this.#options.logs.read(log, partition)) records.push(...page);
    return records;
  }
}
