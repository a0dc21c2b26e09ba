// Percentiles, and the longest silence around each fault.

export interface Summary {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The smallest value that at least this share of the values does not exceed (nearest rank). NaN for none. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.max(1, Math.ceil(sorted.length * share));
  return sorted[rank - 1] ?? NaN;
}

/** To a tenth. */
export function summarise(values: ArrayLike<number>): Summary {
  const sorted = Float64Array.from(values).sort();
  const tenth = (value: number) => Math.round(value * 10) / 10;
  return {
    p50: tenth(percentile(sorted, 0.5)),
    p99: tenth(percentile(sorted, 0.99)),
    max: tenth(percentile(sorted, 1)),
  };
}

/** When outputs arrived. A gap: the longest time between two successive arrivals that ends after the fault. */
export class ArrivalClock {
  readonly #arrivals_ms: number[] = [];

  /** Times must not go back. */
  note(at_ms: number): void {
    this.#arrivals_ms.push(at_ms);
  }

  get last_ms(): number | undefined {
    return this.#arrivals_ms.at(-1);
  }

  /** Of the first arrival after that; undefined while there is none. */
  firstAfter_ms(at_ms: number): number | undefined {
    return this.#arrivals_ms[firstAfter(this.#arrivals_ms, at_ms)];
  }

  /** Between arrivals of which the later came after `from_ms` and not after `to_ms`; undefined when there is none. */
  longestGap_ms(from_ms: number, to_ms: number): number | undefined {
    const gaps = this.gaps_ms(from_ms, to_ms);
    return gaps.length === 0 ? undefined : gaps.reduce((longest, gap) => Math.max(longest, gap));
  }

  gaps_ms(from_ms: number, to_ms: number): readonly number[] {
    const arrivals = this.#arrivals_ms;
    const gaps: number[] = [];
    for (let index = firstAfter(arrivals, from_ms); index < arrivals.length; index++) {
      const later_ms = arrivals[index];
      const earlier_ms = arrivals[index - 1];
      if (later_ms === undefined || later_ms > to_ms) break;
      if (earlier_ms !== undefined) gaps.push(later_ms - earlier_ms);
    }
    return gaps;
  }
}

function firstAfter(sorted: readonly number[], limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? Infinity) > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}
