// Which lanes of an app have each publisher live. A publisher is live when all of them have it so; one that opens again
// by itself has only its own answer outstanding.
import type { PublisherName } from '@tandem/pair';

export class LiveLanes {
  readonly #lanes = new Map<PublisherName, Set<number>>();

  /** Another epoch, or other lanes: none is live. */
  clear(): void {
    this.#lanes.clear();
  }

  /** That lane has opened it, or opened it again. */
  opened(publisher: PublisherName, lane: number): void {
    this.#lanes.get(publisher)?.delete(lane);
  }

  /** That lane has it live; true when all of `size` lanes have. */
  live(publisher: PublisherName, lane: number, size: number): boolean {
    const lanes = this.#lanes.get(publisher) ?? new Set();
    this.#lanes.set(publisher, lanes.add(lane));
    return lanes.size >= size;
  }
}
