// Steady mode: numbered inputs at a fixed rate through the keyed count, and what their outputs must be.
import type { Drawn } from './generator.ts';
import type { LogRecord } from './log-reader.ts';

export function steadyValue({ key, amount }: Drawn, seq: number, at_ms: number): string {
  return `{"id":"${key}","amount":${amount.toString()},"ts":${at_ms.toString()},"seq":${seq.toString()},"sent":${at_ms.toString()}}`;
}

export interface SteadyVerdict {
  /** Inputs without an output. */
  readonly lost: number;
  /** Outputs beyond the first of an input. */
  readonly duplicated: number;
  /** Outputs whose count or sum does not follow from the one before of the same key. */
  readonly wrong: number;
}

interface Output {
  readonly id: string;
  readonly count: number;
  readonly sum: number;
  readonly seq: number;
}

/** Takes inputs as they are sent and outputs as they arrive; the reference is computed along the way. */
export class SteadyCheck {
  readonly #inputs: Drawn[] = [];
  readonly #outputsOf: number[] = [];
  readonly #totals = new Map<string, { count: number; sum: number; seq: number }>();
  #answered = 0;
  #duplicated = 0;
  #wrong = 0;

  /** @returns its sequence number. */
  sent(input: Drawn): number {
    this.#outputsOf.push(0);
    return this.#inputs.push(input) - 1;
  }

  get inputs(): number {
    return this.#inputs.length;
  }

  /** Inputs with at least one output. */
  get answered(): number {
    return this.#answered;
  }

  /** @returns the sequence number that the output names, for the caller's own use. */
  arrived(record: LogRecord): number {
    const { id, count, sum, seq } = JSON.parse(record.value) as Output;
    const input = this.#inputs[seq];
    const seen = this.#outputsOf[seq];
    if (input === undefined || seen === undefined) {
      this.#wrong++;
      return seq;
    }
    this.#outputsOf[seq] = seen + 1;
    if (seen > 0) {
      this.#duplicated++;
      return seq;
    }
    this.#answered++;
    const total = this.#totals.get(id) ?? { count: 0, sum: 0, seq: -1 };
    const follows = count === total.count + 1 && sum === total.sum + input.amount && seq > total.seq;
    if (!follows || id !== input.key || record.key !== id) this.#wrong++;
    this.#totals.set(id, { count, sum, seq });
    return seq;
  }

  verdict(): SteadyVerdict {
    return { lost: this.#inputs.length - this.#answered, duplicated: this.#duplicated, wrong: this.#wrong };
  }
}
