// The publisher itself: made when it is needed, given up when it hangs. What it was doing then no longer counts.
import type { Publisher } from '@tandem/ports';

export class PublisherConnection {
  readonly #create: () => Promise<Publisher>;
  #publisher: Publisher | undefined;
  #creating: Promise<Publisher> | undefined;
  /** S11: told to whichever publisher there is. */
  #authorityUntil_ms: number | undefined;
  /** Grows whenever it is given up: what is still being made then comes too late. */
  #generation = 0;

  constructor(publisher: Publisher, create: () => Promise<Publisher>) {
    this.#publisher = publisher;
    this.#create = create;
  }

  /** What the publisher there is wants a person to see to. */
  get warning(): string | undefined {
    return this.#publisher?.warning;
  }

  /** @throws what making it throws, and when it is given up meanwhile. */
  async ensure(): Promise<Publisher> {
    if (this.#publisher !== undefined) return this.#publisher;
    this.#creating ??= this.#make(this.#generation);
    return await this.#creating;
  }

  /** Nothing may be under way at a sink without a fence after this time. */
  authorityUntil(until_ms: number): void {
    this.#authorityUntil_ms = until_ms;
    this.#publisher?.authorityUntil?.(until_ms);
  }

  /** The next one to need it makes another. Never throws. */
  async giveUp(): Promise<void> {
    const publisher = this.#publisher;
    this.#generation++;
    this.#publisher = undefined;
    this.#creating = undefined;
    if (publisher !== undefined) await closeQuietly(publisher);
  }

  async #make(generation: number): Promise<Publisher> {
    try {
      const publisher = await this.#create();
      if (generation !== this.#generation) {
        void closeQuietly(publisher);
        throw new Error('given up while it was connecting');
      }
      this.#publisher = publisher;
      if (this.#authorityUntil_ms !== undefined) publisher.authorityUntil?.(this.#authorityUntil_ms);
      return publisher;
    } finally {
      if (generation === this.#generation) this.#creating = undefined;
    }
  }
}

/** Nothing at its sink refuses one that has been superseded: it depends on authority (S11). */
export function isUnfenced(publisher: Publisher): boolean {
  return publisher.authorityUntil !== undefined;
}

async function closeQuietly(publisher: Publisher): Promise<void> {
  try {
    await publisher.close();
  } catch {
    // Nothing can be done about a connection that does not close.
  }
}
