// Which batches belong to aborted transactions. The rules are those of Kafka's own consumer (KIP-98).

/** As a fetch response lists them per partition: what `producerId` wrote from `firstOffset` on was aborted. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** Is asked about the batches of one response, in their order. */
export class AbortedFilter {
  /** By first offset, those not reached yet from `#at` on. */
  #listed: readonly AbortedTransaction[] = [];
  #at = 0;
  /** Producers that are inside of an aborted transaction here. */
  readonly #inside = new Set<bigint>();

  reset(aborted: readonly AbortedTransaction[]): void {
    // A response lists them by their ends.
    this.#listed = aborted.length < 2 ? aborted : [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    this.#at = 0;
    this.#inside.clear();
  }

  /** Nothing can be aborted from here on: no need to ask. */
  get isIdle(): boolean {
    return this.#at === this.#listed.length && this.#inside.size === 0;
  }

  /** Whether the transactional batch of this producer that ends with `lastOffset` was aborted. */
  drops(producerId: bigint, lastOffset: number): boolean {
    this.#advance(lastOffset);
    return this.#inside.has(producerId);
  }

  /**
   * A control batch ends the transaction of its producer. The id is the same for all of that producer's transactions
   * and epochs: what follows is another transaction, aborted only if it is listed itself.
   */
  endTransaction(producerId: bigint, lastOffset: number): void {
    this.#advance(lastOffset);
    this.#inside.delete(producerId);
  }

  #advance(lastOffset: number): void {
    for (; this.#at < this.#listed.length; this.#at++) {
      const next = this.#listed[this.#at];
      if (next === undefined || next.firstOffset > lastOffset) return;
      this.#inside.add(next.producerId);
    }
  }
}
