// The greatest value of the last minute: looking at it takes nothing away, so that any number of scrapers may.

const slot_ms = 10_000;
/** With the one that has only begun: a minute at least, and less than one slot more. */
const slots = 7;

export class RecentMaximum {
  /** The greatest of each slot of time, by its number. */
  readonly #bySlot = new Map<number, number>();

  note(value: number, at_ms: number): void {
    const now = Math.floor(at_ms / slot_ms);
    this.#bySlot.set(now, Math.max(value, this.#bySlot.get(now) ?? 0));
    for (const slot of this.#bySlot.keys()) if (slot <= now - slots) this.#bySlot.delete(slot);
  }

  at(at_ms: number): number {
    const now = Math.floor(at_ms / slot_ms);
    return Math.max(0, ...[...this.#bySlot].filter(([slot]) => slot > now - slots).map(([, value]) => value));
  }
}
