// The handing-out half of a source reader that fetches one page ahead per partition: what is at hand is given in turn,
// and the reader hears when there is room to fetch again.
import type { Position } from '@tandem/pair';
import type { SourceBatch, SourceGap } from './source-log.ts';

/** What a reader keeps of one of its partitions; a reader adds what it needs to fetch. */
export interface SourcePlace<Page> {
  readonly partition: number;
  /** As last seen. */
  end: number | undefined;
  paused: boolean;
  /** Fetched and not yet taken. */
  ready: Page | undefined;
  /** Handed out once, after the page before it. */
  gap: SourceGap | undefined;
}

/** Nothing is known of it, and nothing at hand. */
export function emptyPlace(partition: number): SourcePlace<never> {
  return { partition, end: undefined, paused: false, ready: undefined, gap: undefined };
}

export interface SourcePagesHost {
  /** A page was taken, or a partition resumed: the next one may be fetched while this one is processed. */
  onRoom(): void;
  /** Something is at hand after `take` had nothing. */
  onReady(): void;
}

export class SourcePages<Page extends SourceBatch, Place extends SourcePlace<Page>> {
  readonly places: readonly Place[];
  readonly #host: SourcePagesHost;
  readonly #byNumber: ReadonlyMap<number, Place>;
  readonly #spare: Page[] = [];
  #handedOut: Page | undefined;
  #turn = 0;
  #isStarving = false;
  #isClosed = false;

  constructor(places: readonly Place[], host: SourcePagesHost) {
    this.places = places;
    this.#host = host;
    this.#byNumber = new Map(places.map((place) => [place.partition, place]));
  }

  place(partition: number): Place | undefined {
    return this.#byNumber.get(partition);
  }

  /** As the reader's. The page handed out before is spare from now on. */
  take(): Page | SourceGap | undefined {
    if (this.#handedOut !== undefined) {
      this.#spare.push(this.#handedOut);
      this.#handedOut = undefined;
    }
    const count = this.#isClosed ? 0 : this.places.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#turn + step) % count;
      const place = this.places[at];
      if (place === undefined || !hasSomething(place)) continue;
      this.#turn = at + 1;
      const { ready, gap } = place;
      if (ready === undefined) {
        place.gap = undefined;
        return gap;
      }
      place.ready = undefined;
      this.#handedOut = ready;
      this.#host.onRoom();
      return ready;
    }
    this.#isStarving = true;
    return undefined;
  }

  /** As the reader's. */
  setPaused(partition: number, paused: boolean): void {
    const place = this.place(partition);
    if (place === undefined || place.paused === paused) return;
    place.paused = paused;
    if (paused) return;
    this.#host.onRoom();
    // Never within the call of whoever resumes.
    if (hasSomething(place)) {
      queueMicrotask(() => {
        this.feed();
      });
    }
  }

  /** As the reader's. */
  end(partition: number): Position | undefined {
    return this.place(partition)?.end as Position | undefined;
  }

  /** Says that something is at hand, where that is waited for. */
  feed(): void {
    if (!this.#isStarving || this.#isClosed || !this.places.some(hasSomething)) return;
    this.#isStarving = false;
    this.#host.onReady();
  }

  /** A page to be filled again, if there is one. */
  spare(): Page | undefined {
    return this.#spare.pop();
  }

  /** It was not needed after all. */
  giveBack(page: Page): void {
    this.#spare.push(page);
  }

  /** Nothing is handed out or said any more. */
  close(): void {
    this.#isClosed = true;
  }
}

function hasSomething<Page>({ paused, ready, gap }: SourcePlace<Page>): boolean {
  return !paused && (ready !== undefined || gap !== undefined);
}
