// How long after the active had published something its outputs left the queues of this node. Two nodes' wall clocks are
// compared: on one machine it is exact, across machines as good as their clocks agree.

/** Upper bounds of the buckets, included; a last bucket holds what is above them all. */
export const trimLagBounds_ms = [1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000, 5000] as const;

/** Since the lane started. */
export interface TrimLag {
  /** By bucket, one more than there are bounds. */
  readonly counts: readonly number[];
  readonly sum_ms: number;
}

export class TrimLagHistogram {
  readonly #counts = new Array<number>(trimLagBounds_ms.length + 1).fill(0);
  #sum_ms = 0;

  /** Below zero, where clocks differ, is counted as zero. */
  note(lag_ms: number): void {
    const least_ms = Math.max(0, lag_ms);
    const bucket = trimLagBounds_ms.findIndex((bound_ms) => least_ms <= bound_ms);
    const index = bucket === -1 ? trimLagBounds_ms.length : bucket;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum_ms += least_ms;
  }

  get value(): TrimLag {
    return { counts: [...this.#counts], sum_ms: this.#sum_ms };
  }
}
