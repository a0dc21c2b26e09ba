// What the app must have put out, computed from the input log alone and without any code of the runtime.
import type { Due, LogRecord } from '@tandem/harness';

/** One partition of the input. */
export class Reference {
  readonly counts: Due[] = [];
  readonly parts: Due[] = [];
  readonly #totals = new Map<string, { count: number; sum: number }>();

  take(input: LogRecord): void {
    const { n } = JSON.parse(input.value) as { n: number };
    const key = input.key ?? '';
    const total = this.#totals.get(key) ?? { count: 0, sum: 0 };
    this.#totals.set(key, total);
    total.count += 1;
    total.sum += n;
    this.counts.push({ text: countText(key, n, total.count, total.sum), rank: this.counts.length });
    if (total.count % 3 !== 0) return;
    for (const part of [0, 1]) {
      this.parts.push({ text: partText(key, n, total.count, part), rank: this.parts.length });
    }
  }
}

/** What a record of the log of counts says. One that is none of ours is text that is never due. */
export function textOfCount({ key, value }: LogRecord): string {
  try {
    const { n, count, sum, ...more } = JSON.parse(value) as Record<string, unknown>;
    if (Object.keys(more).length === 0) return countText(key ?? '', n, count, sum);
  } catch {
    // Said below.
  }
  return `not a count: ${value}`;
}

function countText(key: string, n: unknown, count: unknown, sum: unknown): string {
  return `${key}: n ${String(n)}, count ${String(count)}, sum ${String(sum)}`;
}

/** What a row of the table of parts says; fields as the database gives them. */
export function partText(key: string, n: unknown, count: unknown, part: unknown): string {
  return `${key}: n ${String(n)}, count ${String(count)}, part ${String(part)}`;
}
