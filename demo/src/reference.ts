// What the demo's applications must have put out, computed from the inputs as they lie in the tables. It shares no
// code with the runtime or the applications, on purpose.
import type { Due, LogRecord } from '@tandem/harness';
import type { outputLogs } from './logs.ts';

export type OutputLog = (typeof outputLogs)[number];

const window_ms = 60_000;
const grace_ms = 5_000;

/** One partition of the counter. */
export class CounterReference {
  readonly counts: Due[] = [];
  readonly #totals = new Map<string, { count: number; sum: number }>();

  take(input: LogRecord): void {
    const { n } = JSON.parse(input.value) as { n: number };
    const key = input.key ?? '';
    const total = this.#totals.get(key) ?? { count: 0, sum: 0 };
    this.#totals.set(key, total);
    total.count += 1;
    total.sum += n;
    this.counts.push({ text: canonical(key, { n, count: total.count, sum: total.sum }), rank: this.counts.length });
  }
}

/** One partition of the orders. */
export class OrdersReference {
  readonly totals: Due[] = [];
  readonly perMinute: Due[] = [];
  readonly deadLetters: Due[] = [];
  readonly #totals = new Map<string, { count: number; sum: number }>();
  readonly #minutes = new Map<number, Map<string, number>>();
  #latest_ms = -Infinity;

  take(input: LogRecord): void {
    const key = input.key ?? '';
    const order = parseOrder(input.value);
    if (order === undefined) {
      this.deadLetters.push({ text: `${key} ${input.value}`, rank: this.deadLetters.length });
      return;
    }
    if (order.amount <= 0) return;
    const total = this.#totals.get(key) ?? { count: 0, sum: 0 };
    this.#totals.set(key, total);
    total.count += 1;
    total.sum += order.amount;
    this.totals.push({ text: canonical(key, { count: total.count, sum: total.sum }), rank: this.totals.length });
    this.#count(key, order.ts);
  }

  #count(key: string, ts_ms: number): void {
    this.#latest_ms = Math.max(this.#latest_ms, ts_ms);
    const start = Math.floor(ts_ms / window_ms) * window_ms;
    if (!this.#isClosed(start)) {
      const minute = this.#minutes.get(start) ?? new Map<string, number>();
      this.#minutes.set(start, minute);
      minute.set(key, (minute.get(key) ?? 0) + 1);
    }
    for (const closed of [...this.#minutes.keys()].sort((a, b) => a - b)) {
      if (!this.#isClosed(closed)) break;
      for (const [customer, count] of this.#minutes.get(closed) ?? []) {
        this.perMinute.push({ text: canonical(customer, { start: closed, count }), rank: closed });
      }
      this.#minutes.delete(closed);
    }
  }

  #isClosed(start: number): boolean {
    return this.#latest_ms >= start + window_ms + grace_ms;
  }
}

/** What one output says, independent of the order of its fields. */
export function textOf(log: OutputLog, output: LogRecord): string {
  if (log === 'dead-letter') return `${output.key ?? ''} ${output.value}`;
  return canonical(output.key ?? '', JSON.parse(output.value) as Record<string, number>);
}

function parseOrder(value: string): { readonly amount: number; readonly ts: number } | undefined {
  try {
    const { customer, amount, ts } = JSON.parse(value) as Record<string, unknown>;
    if (typeof customer !== 'string' || typeof amount !== 'number' || typeof ts !== 'number') return undefined;
    return { amount, ts };
  } catch {
    return undefined;
  }
}

function canonical(key: string, fields: Readonly<Record<string, number>>): string {
  const names = Object.keys(fields).sort();
  return [key, ...names.map((name) => `${name}=${String(fields[name])}`)].join(' ');
}
