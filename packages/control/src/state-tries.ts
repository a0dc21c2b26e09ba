// How soon an app's state is asked for again when it could not be had: soon at first, as most causes pass quickly.

const growing_ms = [100, 500, 2_000];
/** A store that is away comes back, and then somebody has to be there. */
const store_ms = 5_000;

export class StateTries {
  #of: string | undefined;
  #made = 0;

  /** Whoever is asked for the first time, or after somebody else, is asked soon again. */
  askOf(source: string): void {
    if (source !== this.#of) this.#made = 0;
    this.#of = source;
  }

  /** It was had. */
  succeeded(): void {
    this.#made = 0;
  }

  /** Whether asking again soon has not been tried often enough yet. */
  get areQuick(): boolean {
    return this.#made < growing_ms.length;
  }

  /** Before the next try; undefined once the slow retry is due, which a store never is. */
  next_ms(kind: 'peer' | 'store'): number | undefined {
    const quick_ms = growing_ms[this.#made++];
    return quick_ms ?? (kind === 'store' ? store_ms : undefined);
  }
}
