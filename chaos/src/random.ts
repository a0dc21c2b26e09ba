// Numbers that a seed alone determines.

/** Mulberry32 (Tommy Ettinger): 32 bits of state, every seed is as good as any other. */
export class SeededRandom {
  #state: number;

  /** @param seed whole, from 0 below 2^32 */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 up to, and without, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** @throws RangeError for none */
  pick<T>(some: readonly T[]): T {
    const [picked] = some.slice(this.between(0, some.length - 1));
    if (picked === undefined) throw new RangeError('nothing to pick from');
    return picked;
  }

  /** The same in another order (Fisher and Yates). */
  shuffle<T>(some: readonly T[]): T[] {
    const left = [...some];
    const shuffled: T[] = [];
    while (left.length > 0) shuffled.push(...left.splice(this.between(0, left.length - 1), 1));
    return shuffled;
  }
}
