// A snapshot of one app as a gzip stream, taken from its lanes without stopping them.
import type { FromLane, PositionTexts } from '@tandem/lane';
import { toError } from '@tandem/ports';
import { joinSnapshot, type SnapshotHeader } from '@tandem/snapshot';
import type { LaneGroup } from './lane-group.ts';
import type { Compression } from './node-parts.ts';

/** Chunks that one lane may have sent and we have not passed on. */
const creditPerLane = 4;

/** One snapshot under way. Feed it the lanes' messages; read `stream` to its end. */
export class SnapshotTaking {
  readonly #group: LaneGroup;
  readonly #id: number;
  readonly #header: SnapshotHeader;
  readonly #createCompression: () => Compression;
  readonly #arrived: { readonly lane: number; readonly frames: ArrayBuffer }[] = [];
  readonly #positions: Record<string, string> = {};
  #lanesLeft: number;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(group: LaneGroup, id: number, header: SnapshotHeader, createCompression: () => Compression) {
    this.#group = group;
    this.#id = id;
    this.#header = header;
    this.#createCompression = createCompression;
    this.#lanesLeft = group.size;
  }

  /** Position of every task at its cut; complete once the stream has ended. */
  get positions(): PositionTexts {
    return this.#positions;
  }

  /** Messages of other snapshots are passed over. */
  onMessage(lane: number, message: FromLane): void {
    if (message.type === 'snapshot-chunk' && message.id === this.#id) {
      this.#arrived.push({ lane, frames: message.frames });
    } else if (message.type === 'snapshot-end' && message.id === this.#id) {
      Object.assign(this.#positions, message.positions);
      this.#lanesLeft--;
    } else if (message.type === 'snapshot-failed' && message.id === this.#id) {
      this.#failure = new Error(message.reason);
    }
    this.#wake();
  }

  /** The lanes are gone or the snapshot is no longer wanted: the stream throws. */
  fail(reason: unknown): void {
    this.#failure ??= toError(reason);
    this.#wake();
  }

  /** The bytes; may be iterated once. Leaving early lets the lanes drop their cuts. */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#group.post({ type: 'snapshot-please', id: this.#id, credit: creditPerLane });
    const compression = this.#createCompression();
    let complete = false;
    try {
      yield* joinSnapshot(this.#header, this.#pieces(), (piece) => compression.compress(piece));
      complete = true;
    } finally {
      await compression.close();
      if (!complete) this.#group.post({ type: 'snapshot-cancel', id: this.#id });
    }
  }

  async *#pieces(): AsyncGenerator<ArrayBuffer, void, undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const next = this.#arrived.shift();
      if (next !== undefined) {
        yield next.frames;
        this.#group.postTo(next.lane, { type: 'snapshot-credit', id: this.#id, credit: 1 });
      } else if (this.#lanesLeft === 0) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
