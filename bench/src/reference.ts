// What the workloads must put out, computed from the generator alone; shares no code with the runtime.
import { Generator, partitionOf, type LogRecord } from '@tandem/harness';

export const workloads = ['W1', 'W2', 'W3'] as const;
export type Workload = (typeof workloads)[number];

/** By partition, in order; each output as its fields joined by spaces, after its key. */
export type Expected = readonly (readonly string[])[];

const window_ms = 10_000;
const fields: Readonly<Record<Workload, readonly string[]>> = {
  W1: ['id', 'amount', 'ts', 'pad', 'double'],
  W2: ['id', 'count', 'sum', 'ts'],
  W3: ['id', 'start', 'count'],
};

export function expectedOutputs(workload: Workload, inputs: number, partitions: number): Expected {
  const outputs = Array.from({ length: partitions }, () => [] as string[]);
  const totals = new Map<string, { count: number; sum: number }>();
  const open = Array.from({ length: partitions }, () => ({ start: -Infinity, counts: new Map<string, number>() }));
  const generator = new Generator();
  for (let index = 0; index < inputs; index++) {
    const { key, amount, ts, value } = generator.record();
    const partition = partitionOf(key, partitions);
    const out = outputs[partition];
    const window = open[partition];
    if (out === undefined || window === undefined) throw new RangeError(`no partition ${partition.toString()}`);
    switch (workload) {
      case 'W1':
        if (amount >= 10) out.push(line(key, [key, amount, ts, value.slice(-50, -2), 2 * amount]));
        break;
      case 'W2': {
        const total = totals.get(key) ?? { count: 0, sum: 0 };
        totals.set(key, total);
        total.count++;
        total.sum += amount;
        out.push(line(key, [key, total.count, total.sum, ts]));
        break;
      }
      case 'W3': {
        // Times only grow, so one window per partition is open at a time.
        const start = Math.floor(ts / window_ms) * window_ms;
        if (start > window.start) {
          for (const [id, count] of window.counts) out.push(line(id, [id, window.start, count]));
          window.start = start;
          window.counts = new Map();
        }
        window.counts.set(key, (window.counts.get(key) ?? 0) + 1);
        break;
      }
    }
  }
  return outputs;
}

export function countOf(expected: Expected): number {
  return expected.reduce((sum, outputs) => sum + outputs.length, 0);
}

/** Compares what one partition put out with what it must have; W3 in any order within a window. */
export class OutputCheck {
  readonly #workload: Workload;
  readonly #expected: Expected;
  readonly #next: number[];
  readonly #window: { start: number; left: Map<string, number> }[];
  #wrong = 0;
  #outputs = 0;

  constructor(workload: Workload, expected: Expected) {
    this.#workload = workload;
    this.#expected = expected;
    this.#next = expected.map(() => 0);
    this.#window = expected.map(() => ({ start: -Infinity, left: new Map<string, number>() }));
  }

  take(record: LogRecord): void {
    this.#outputs++;
    const parsed = JSON.parse(record.value) as Record<string, string | number>;
    const names = fields[this.#workload];
    const found = line(
      record.key ?? '',
      names.map((name) => parsed[name] ?? ''),
    );
    const extra = Object.keys(parsed).some((name) => !names.includes(name));
    const right =
      this.#workload === 'W3' ? this.#takeOfWindow(record.partition, found) : this.#takeNext(record.partition, found);
    if (!right || extra) this.#wrong++;
  }

  /** `wrong`: outputs that are not what was due where they are. */
  verdict(): { readonly outputs: number; readonly lost: number; readonly duplicated: number; readonly wrong: number } {
    const due = countOf(this.#expected);
    return {
      outputs: this.#outputs,
      lost: Math.max(0, due - this.#outputs),
      duplicated: Math.max(0, this.#outputs - due),
      wrong: this.#wrong,
    };
  }

  #takeNext(partition: number, found: string): boolean {
    const at = this.#next[partition] ?? 0;
    this.#next[partition] = at + 1;
    return this.#expected[partition]?.[at] === found;
  }

  /** Takes the whole window that is due, then each of its outputs once, whatever their order. */
  #takeOfWindow(partition: number, found: string): boolean {
    const window = this.#window[partition];
    const due = this.#expected[partition];
    if (window === undefined || due === undefined) return false;
    if (window.left.size === 0) {
      let at = this.#next[partition] ?? 0;
      const start = startOf(due[at]);
      for (let next = due[at]; next !== undefined && startOf(next) === start; next = due[++at]) {
        window.left.set(next, 1);
      }
      this.#next[partition] = at;
    }
    return window.left.delete(found);
  }
}

function startOf(output: string | undefined): string | undefined {
  return output?.split(' ')[2];
}

function line(key: string, values: readonly (string | number)[]): string {
  return `${key} ${values.join(' ')}`;
}
