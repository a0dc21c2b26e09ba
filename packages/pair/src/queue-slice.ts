// What is taken from an output queue: slices for a publisher, walked by a cursor, and cuts for a snapshot.
import { readHeaders, recordFlags, recordLayout, type Mark, type Segment } from './output-segment.ts';
import type { Position, TaskId } from './vocabulary.ts';

const { body } = recordLayout;

/** Whole inputs of one task, ready to be published (S5). Valid until the queue's next trim. */
export interface QueueSlice {
  readonly task: TaskId;
  /** Published position before and after. */
  readonly from: Position;
  readonly to: Position;
  readonly count: number;
  readonly size_bytes: number;
  /** Where its first output lies; for the cursor. */
  readonly first: Readonly<Mark>;
  /** A cursor of its own at the start. A hot path keeps one `QueueCursor` and resets it instead. */
  cursor(): QueueCursor;
}

/** Walks the outputs of one or several slices, in their order. Fits the OutputCursor of the ports. */
export class QueueCursor {
  /** Index of the slice that the output is from: of the batch's moves, where these are in the slices' order. */
  task = 0;
  sink = 0;
  partition = 0;
  position = 0;
  timestamp_ms = 0;
  bytes: Buffer = Buffer.alloc(0);
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  private slices: readonly QueueSlice[];
  private segment: Segment | undefined = undefined;
  private offset = 0;
  private left = 0;
  private headersAt = -1;

  constructor(slices: readonly QueueSlice[] = []) {
    this.slices = slices;
    this.reset(slices);
  }

  /** Goes to the start of these slices. */
  reset(slices: readonly QueueSlice[]): void {
    this.slices = slices;
    this.task = -1;
    this.left = 0;
  }

  next(): boolean {
    while (this.left === 0) {
      const slice = this.slices[this.task + 1];
      if (slice === undefined) return false;
      this.task += 1;
      this.left = slice.count;
      this.segment = slice.first.segment;
      this.offset = slice.first.offset;
    }
    let segment = this.segment;
    while (segment !== undefined && this.offset === segment.used) {
      segment = segment.next;
      this.segment = segment;
      this.offset = 0;
    }
    if (segment === undefined) return false;
    const { view } = segment;
    const at = this.offset;
    const flags = view.getUint16(at + recordLayout.flags, true);
    const keyEnd = at + body + view.getUint32(at + recordLayout.keySize, true);
    const valueEnd = keyEnd + view.getUint32(at + recordLayout.valueSize, true);
    this.bytes = segment.bytes;
    this.sink = view.getUint16(at + recordLayout.sink, true);
    this.partition = view.getUint32(at + recordLayout.partition, true);
    this.timestamp_ms = view.getFloat64(at + recordLayout.timestamp, true);
    this.position = view.getFloat64(at + recordLayout.position, true);
    this.keyStart = at + body;
    this.keyEnd = (flags & recordFlags.hasKey) === 0 ? -1 : keyEnd;
    this.valueStart = keyEnd;
    this.valueEnd = (flags & recordFlags.hasValue) === 0 ? -1 : valueEnd;
    this.headersAt = (flags & recordFlags.hasHeaders) === 0 ? -1 : valueEnd;
    this.offset = at + view.getUint32(at + recordLayout.size, true);
    this.left -= 1;
    return true;
  }

  /** Headers of the current output, flat name, value, ...; undefined when it has none. */
  headers(): readonly string[] | undefined {
    return this.headersAt === -1 ? undefined : readHeaders(this.bytes, this.headersAt);
  }
}

/** A queue as it was when the cut was made (S4). Appending and trimming do not show in it. */
export interface QueueCut {
  readonly head: Position;
  readonly end: Position;
  readonly count: number;
  readonly size_bytes: number;
  /**
   * Hands the outputs over, as chunks for `restoreChunk`, until `take` answers false or none is left; true when
   * none is left. Goes on where it stopped. Chunks are views: copy what is kept beyond `close`.
   */
  drain(take: (chunk: Uint8Array) => boolean): boolean;
  /** Lets go of the memory; to be called in any case. */
  close(): void;
}

export class SegmentCut implements QueueCut {
  readonly head: Position;
  readonly end: Position;
  readonly count: number;
  readonly size_bytes: number;
  private from: Mark | undefined;
  private readonly to: Mark | undefined;
  private onClose: (() => void) | undefined;

  constructor(
    of: { head: Position; end: Position; count: number; size_bytes: number },
    from: Mark | undefined,
    to: Mark | undefined,
    onClose: () => void,
  ) {
    this.head = of.head;
    this.end = of.end;
    this.count = of.count;
    this.size_bytes = of.size_bytes;
    this.from = from;
    this.to = to;
    this.onClose = onClose;
  }

  drain(take: (chunk: Uint8Array) => boolean): boolean {
    while (this.from !== undefined && this.to !== undefined) {
      const { segment, offset } = this.from;
      const isLast = segment === this.to.segment;
      const chunkEnd = isLast ? this.to.offset : segment.used;
      this.from = isLast || segment.next === undefined ? undefined : { segment: segment.next, offset: 0 };
      if (chunkEnd > offset && !take(segment.bytes.subarray(offset, chunkEnd))) return this.from === undefined;
    }
    return true;
  }

  close(): void {
    this.from = undefined;
    this.onClose?.();
    this.onClose = undefined;
  }
}
