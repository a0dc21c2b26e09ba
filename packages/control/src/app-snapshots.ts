// An app's snapshots: one after another, for a peer or for the store, and how many there were.
import type { FromLane, PositionTexts } from '@tandem/lane';
import type { Clock } from '@tandem/ports';
import type { SnapshotHeader } from '@tandem/snapshot';
import { SnapshotTaking } from './app-snapshot.ts';
import type { LaneGroup } from './lane-group.ts';
import type { Compression } from './node-parts.ts';

export interface SnapshotCounts {
  readonly taken: number;
  readonly failed: number;
  /** From the request to the last byte; undefined before the first. */
  readonly lastTook_ms: number | undefined;
}

export class AppSnapshots {
  readonly #clock: Clock;
  /** The lanes, while their state can be vouched for (S8). @throws TandemError that says why it cannot be. */
  readonly #vouched: () => LaneGroup;
  readonly #header: () => SnapshotHeader;
  readonly #createCompression: () => Compression;
  #current: SnapshotTaking | undefined;
  /** A store has one cut at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  #number = 0;
  #counts: SnapshotCounts = { taken: 0, failed: 0, lastTook_ms: undefined };

  constructor(
    clock: Clock,
    vouched: () => LaneGroup,
    header: () => SnapshotHeader,
    createCompression: () => Compression,
  ) {
    this.#clock = clock;
    this.#vouched = vouched;
    this.#header = header;
    this.#createCompression = createCompression;
  }

  get counts(): SnapshotCounts {
    return this.#counts;
  }

  onMessage(lane: number, message: FromLane): void {
    this.#current?.onMessage(lane, message);
  }

  /** Whatever is being taken cannot be completed. */
  fail(reason: string): void {
    this.#current?.fail(reason);
  }

  /**
   * A snapshot taken now, gzip; `onPositions` gets the positions of the cuts when the stream has ended.
   * @throws TandemError `not-vouched` while there is no state that can be vouched for, `app-failed` when there will be none.
   */
  async *take(onPositions?: (positions: PositionTexts) => void): AsyncGenerator<Uint8Array, void, undefined> {
    const turn = this.#queue;
    let done: () => void = () => undefined;
    this.#queue = new Promise<void>((resolve) => {
      done = resolve;
    });
    const asked_ms = this.#clock.now_ms();
    let complete = false;
    try {
      await turn;
      const taking = new SnapshotTaking(this.#vouched(), ++this.#number, this.#header(), this.#createCompression);
      this.#current = taking;
      yield* taking.stream();
      complete = true;
      onPositions?.(taking.positions);
    } finally {
      const { taken, failed, lastTook_ms } = this.#counts;
      this.#counts = complete
        ? { taken: taken + 1, failed, lastTook_ms: this.#clock.now_ms() - asked_ms }
        : { taken, failed: failed + 1, lastTook_ms };
      this.#current = undefined;
      done();
    }
  }
}
