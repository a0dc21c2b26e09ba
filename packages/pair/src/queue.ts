// The output queue: one per task and publisher. It holds every output that is not known to be published (S4, S5).
import { hashOutputs, noOutputs } from './output-hash.ts';
import {
  checkedRecordSize_bytes,
  createSegment,
  headersSize_bytes,
  recordFlags,
  recordLayout,
  writeHeaders,
  type Mark,
  type Segment,
} from './output-segment.ts';
import { QueueCursor, SegmentCut, type QueueCut, type QueueSlice } from './queue-slice.ts';
import { ProtocolViolation } from './violation.ts';
import { asPosition, type Position, type TaskId } from './vocabulary.ts';

const smallestSegment_bytes = 16 * 1024;
const segment_bytes = 256 * 1024;
/** Freed segments that a queue keeps for reuse. */
const maxSpareSegments = 4;
/** No UTF-16 unit needs more bytes than this in UTF-8. */
const mostBytesPerUnit = 3;

/** Room that the queues of a lane share (S6). Full means: pause the input. One input may exceed the limit. */
export class QueueBudget {
  readonly limit_bytes: number;
  used_bytes = 0;

  constructor(limit_bytes: number) {
    this.limit_bytes = limit_bytes;
  }

  isFull(): boolean {
    return this.used_bytes >= this.limit_bytes;
  }

  /** A paused input resumes here and not at the limit, so that it does not flutter. */
  hasRoomAgain(): boolean {
    return this.used_bytes <= this.limit_bytes * 0.75;
  }
}

/**
 * Use: for each input, in order, `append` its outputs, then `endInput` with the input's own position (or
 * `undoInput`, then whatever replaces the outputs, then `endInput`). `slice`, `trim` and `cut` between inputs.
 */
export class OutputQueue {
  readonly task: TaskId;
  private readonly sinkCount: number;
  private readonly budget: QueueBudget;
  private readonly depths: Float64Array;
  private headPosition: Position;
  private endPosition: Position;
  /** The highest position that `trim` was told, if ever. */
  private trimmedTo: Position | undefined = undefined;
  private bytes_ = 0;
  private count_ = 0;
  /** First output that is kept; undefined until something was queued. */
  private first: Mark | undefined = undefined;
  private tail: Segment | undefined = undefined;
  /** Where the input that is being applied began; undefined while it has no outputs. */
  private inputSegment: Segment | undefined = undefined;
  private inputOffset = 0;
  private inputCount = 0;
  private spare: Segment | undefined = undefined;
  private spareCount = 0;
  private openCuts = 0;
  private readonly hashes: boolean;
  private hash = noOutputs;

  /** `hashes`: whether it keeps a rolling hash of all outputs, those of inputs below `head` too. */
  constructor(options: { task: TaskId; sinkCount: number; budget: QueueBudget; start: Position; hashes?: boolean }) {
    this.task = options.task;
    this.sinkCount = options.sinkCount;
    this.budget = options.budget;
    this.depths = new Float64Array(options.sinkCount);
    this.headPosition = options.start;
    this.endPosition = options.start;
    this.hashes = options.hashes ?? false;
  }

  /** Of every output of every input since `start`, or since what it was restored with: a signed 32-bit integer. */
  get outputsHash(): number {
    return this.hash;
  }

  /** Every output of every input below is durably published; nothing below is kept. May be above `end` (then replay is suppressed). */
  get head(): Position {
    return this.headPosition;
  }

  /** Next input not yet applied. */
  get end(): Position {
    return this.endPosition;
  }

  /** Memory taken by what is queued, with 36 bytes per output of its own. */
  get size_bytes(): number {
    return this.bytes_;
  }

  /** Outputs queued. */
  get count(): number {
    return this.count_;
  }

  depth(sink: number): number {
    return this.depths[sink] ?? 0;
  }

  /** Queues one output of the input that is being applied. `keyEnd` -1: a null key. `headers`: flat name, value, ... */
  append(
    sink: number,
    partition: number,
    timestamp_ms: number,
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    value: string | Uint8Array | null,
    headers: readonly string[] | undefined,
  ): void {
    if (sink < 0 || sink >= this.sinkCount) throw this.violation(`append to sink ${sink} of ${this.sinkCount}`);
    const keySize = keyEnd === -1 ? 0 : keyEnd - keyStart;
    const headersSize = headers === undefined ? 0 : headersSize_bytes(headers);
    const fixed = recordLayout.body + keySize + headersSize;
    const mostValue = value === null ? 0 : typeof value === 'string' ? value.length * mostBytesPerUnit : value.length;
    let segment = this.tail;
    if (segment === undefined || segment.bytes.length - segment.used < fixed + mostValue) {
      segment = this.segmentFor(fixed, value);
    }
    const { bytes, view } = segment;
    const at = segment.used;
    if (this.inputSegment === undefined) {
      this.inputSegment = segment;
      this.inputOffset = at;
    }
    let flags = 0;
    let offset = at + recordLayout.body;
    if (keyEnd !== -1) {
      flags |= recordFlags.hasKey;
      copyBytes(key, keyStart, keyEnd, bytes, offset);
      offset += keySize;
    }
    let valueSize = 0;
    if (typeof value === 'string') {
      flags |= recordFlags.hasValue;
      valueSize = bytes.utf8Write(value, offset, bytes.length - offset);
    } else if (value !== null) {
      flags |= recordFlags.hasValue;
      valueSize = value.length;
      bytes.set(value, offset);
    }
    offset += valueSize;
    if (headers !== undefined) {
      flags |= recordFlags.hasHeaders;
      offset = writeHeaders(segment, offset, headers);
    }
    const size = offset - at;
    view.setUint32(at + recordLayout.size, size, true);
    view.setUint16(at + recordLayout.sink, sink, true);
    view.setUint16(at + recordLayout.flags, flags, true);
    view.setUint32(at + recordLayout.partition, partition, true);
    view.setUint32(at + recordLayout.keySize, keySize, true);
    view.setUint32(at + recordLayout.valueSize, valueSize, true);
    view.setFloat64(at + recordLayout.timestamp, timestamp_ms, true);
    segment.used = offset;
    this.inputCount += 1;
    this.account(sink, 1, size);
  }

  /**
   * The input at `position` has been applied whole: its outputs may be published from now on, and `end` is the
   * position after it. Positions may leave gaps. Outputs of an input below `head` are dropped: they are published already.
   */
  endInput(position: Position): void {
    if (position < this.endPosition) throw this.violation(`the input at ${position} comes after ${this.endPosition}`);
    if (this.inputSegment !== undefined) {
      if (this.hashes) {
        this.hash = hashOutputs(this.hash, this.inputSegment, this.inputOffset, this.inputCount, position);
      }
      if (position < this.headPosition) this.undoInput();
      else this.keepInput(this.inputSegment, position);
    }
    this.endPosition = asPosition(position + 1);
  }

  /** There is no input below `end` that has not been applied: the log skips some (as at the end of a batch). */
  advanceTo(end: Position): void {
    if (this.inputSegment !== undefined) throw this.violation(`advance to ${end} with an input half applied`);
    if (end > this.endPosition) this.endPosition = end;
  }

  /** Takes back every output of the input that is being applied. */
  undoInput(): void {
    const start = this.inputSegment;
    if (start === undefined) return;
    let segment = start;
    let offset = this.inputOffset;
    for (let left = this.inputCount; left > 0; left--) {
      while (offset === segment.used) {
        segment = this.after(segment);
        offset = 0;
      }
      const size = segment.view.getUint32(offset + recordLayout.size, true);
      this.account(segment.view.getUint16(offset + recordLayout.sink, true), -1, -size);
      offset += size;
    }
    start.used = this.inputOffset;
    this.tail = start;
    let dropped = start.next;
    start.next = undefined;
    while (dropped !== undefined) {
      const { next } = dropped;
      this.recycle(dropped);
      dropped = next;
    }
    this.forgetInput();
  }

  /**
   * Everything before `to` is durably published (S5): lets go of it. A `to` above `end` is remembered: inputs
   * below it that are applied later leave no outputs. A `to` below `head` changes nothing.
   */
  trim(to: Position): void {
    if (this.trimmedTo === undefined || to > this.trimmedTo) this.trimmedTo = to;
    if (to <= this.headPosition) return;
    this.headPosition = to;
    const first = this.first;
    if (first === undefined) return;
    for (let left = this.count_ - this.inputCount; left > 0; left--) {
      while (first.offset === first.segment.used) this.freeFirst(first);
      const { view } = first.segment;
      const at = first.offset;
      if (view.getFloat64(at + recordLayout.position, true) >= to) return;
      const size = view.getUint32(at + recordLayout.size, true);
      this.account(view.getUint16(at + recordLayout.sink, true), -1, -size);
      first.offset = at + size;
    }
    if (this.inputSegment === undefined) this.startOver(first);
  }

  /** Whole inputs from `head` on, at least one, else within the limit; undefined when there is nothing to publish or to move. */
  slice(limit: { readonly outputs: number; readonly size_bytes: number }): QueueSlice | undefined {
    if (this.headPosition >= this.endPosition) return undefined;
    const first = this.first ?? { segment: this.tail ?? createSegment(0), offset: 0 };
    const mark: Mark = { ...first };
    let count = 0;
    let size = 0;
    let whole: { readonly count: number; readonly size_bytes: number; readonly to: Position } | undefined;
    let input: number | undefined;
    for (let left = this.count_ - this.inputCount; left > 0; left--) {
      while (mark.offset === mark.segment.used) {
        mark.segment = this.after(mark.segment);
        mark.offset = 0;
      }
      const { view } = mark.segment;
      const position = view.getFloat64(mark.offset + recordLayout.position, true);
      if (position !== input) {
        if (input !== undefined) whole = { count, size_bytes: size, to: asPosition(input + 1) };
        input = position;
      }
      const record = view.getUint32(mark.offset + recordLayout.size, true);
      if (whole !== undefined && (count + 1 > limit.outputs || size + record > limit.size_bytes)) {
        return this.sliceOf(first, whole);
      }
      count += 1;
      size += record;
      mark.offset += record;
    }
    return this.sliceOf(first, { count, size_bytes: size, to: this.endPosition });
  }

  /** What is queued now, for a snapshot (S4). Takes no copy. */
  cut(): QueueCut {
    if (this.inputSegment !== undefined) throw this.violation('cut with an input half applied');
    this.openCuts += 1;
    const { tail, first } = this;
    return new SegmentCut(
      { head: this.headPosition, end: this.endPosition, count: this.count_, size_bytes: this.bytes_ },
      first === undefined ? undefined : { ...first },
      tail === undefined ? undefined : { segment: tail, offset: tail.used },
      () => {
        this.openCuts -= 1;
      },
    );
  }

  /** Adds a chunk of a cut, in the cut's order, to a queue to which nothing was applied yet. `restoreEnd` must follow. */
  restoreChunk(chunk: Uint8Array): void {
    const source = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let segment = this.tail;
    for (let at = 0; at < chunk.byteLength;) {
      const size = checkedRecordSize_bytes(source, at, this.sinkCount);
      if (segment === undefined || segment.bytes.length - segment.used < size) segment = this.addSegment(size);
      this.first ??= { segment, offset: segment.used };
      segment.bytes.set(chunk.subarray(at, at + size), segment.used);
      segment.used += size;
      this.account(source.getUint16(at + recordLayout.sink, true), 1, size);
      at += size;
    }
  }

  /** All chunks are in: `head`, `end` and the hash are the cut's. What was trimmed meanwhile is let go of. */
  restoreEnd(head: Position, end: Position, outputsHash: number = noOutputs): void {
    this.hash = outputsHash;
    const trimmedTo = this.trimmedTo;
    this.headPosition = head;
    this.endPosition = end;
    if (trimmedTo !== undefined) this.trim(trimmedTo);
  }

  /** Gives its share of the budget back; the queue is not to be used any more. */
  close(): void {
    this.budget.used_bytes -= this.bytes_;
    this.bytes_ = 0;
    this.count_ = 0;
    this.depths.fill(0);
    this.first = undefined;
    this.tail = undefined;
    this.spare = undefined;
    this.forgetInput();
  }

  private sliceOf(first: Mark, what: { count: number; size_bytes: number; to: Position }): QueueSlice {
    const slice: QueueSlice = {
      task: this.task,
      from: this.headPosition,
      to: what.to,
      count: what.count,
      size_bytes: what.size_bytes,
      first: { ...first },
      cursor: () => new QueueCursor([slice]),
    };
    return slice;
  }

  /** The outputs of the input get its position, and become visible. */
  private keepInput(start: Segment, position: Position): void {
    let segment = start;
    let offset = this.inputOffset;
    for (let left = this.inputCount; left > 0; left--) {
      while (offset === segment.used) {
        segment = this.after(segment);
        offset = 0;
      }
      segment.view.setFloat64(offset + recordLayout.position, position, true);
      offset += segment.view.getUint32(offset + recordLayout.size, true);
    }
    this.first ??= { segment: start, offset: this.inputOffset };
    this.forgetInput();
  }

  private forgetInput(): void {
    this.inputSegment = undefined;
    this.inputCount = 0;
  }

  private account(sink: number, outputs: 1 | -1, size_bytes: number): void {
    this.depths[sink] = (this.depths[sink] ?? 0) + outputs;
    this.count_ += outputs;
    this.bytes_ += size_bytes;
    this.budget.used_bytes += size_bytes;
  }

  /** The tail is too short for the most that the value may take: looks closer, then takes a new segment. */
  private segmentFor(fixed: number, value: string | Uint8Array | null): Segment {
    const valueSize = value === null ? 0 : Buffer.byteLength(value);
    const { tail } = this;
    if (tail !== undefined && tail.bytes.length - tail.used >= fixed + valueSize) return tail;
    return this.addSegment(fixed + valueSize);
  }

  private addSegment(needed_bytes: number): Segment {
    const { tail, spare } = this;
    let segment: Segment;
    if (spare !== undefined && needed_bytes <= segment_bytes) {
      segment = spare;
      this.spare = spare.next;
      this.spareCount -= 1;
      segment.next = undefined;
      segment.used = 0;
    } else {
      // Small queues stay small: there may be many of them.
      const usual = Math.min(segment_bytes, Math.max(smallestSegment_bytes, this.bytes_));
      segment = createSegment(Math.max(usual, needed_bytes));
    }
    if (tail !== undefined) tail.next = segment;
    this.tail = segment;
    return segment;
  }

  /** Moves `first` on to the segment that follows its own. */
  private freeFirst(first: Mark): void {
    const { segment } = first;
    first.segment = this.after(segment);
    first.offset = 0;
    this.recycle(segment);
  }

  /** An open cut may still read any segment: then the garbage collector has it, once the cut has let go. */
  private recycle(segment: Segment): void {
    if (this.openCuts > 0 || segment.bytes.length !== segment_bytes || this.spareCount === maxSpareSegments) return;
    segment.next = this.spare;
    this.spare = segment;
    this.spareCount += 1;
  }

  /** Nothing is queued: the last segment is used again from its beginning, unless a cut still reads it. */
  private startOver(first: Mark): void {
    if (this.openCuts > 0 || first.segment !== this.tail) return;
    first.segment.used = 0;
    first.offset = 0;
  }

  private after(segment: Segment): Segment {
    if (segment.next === undefined) throw this.violation('its chain of segments ends too early');
    return segment.next;
  }

  private violation(what: string): ProtocolViolation {
    return new ProtocolViolation(
      `output queue of ${this.task} [${this.headPosition}, ${this.endPosition}) with ${this.count_} outputs: ${what}`,
    );
  }
}

function copyBytes(from: Buffer, start: number, end: number, to: Buffer, offset: number): void {
  // Below this size a loop is faster than the call that copies.
  if (end - start > 32) {
    from.copy(to, offset, start, end);
    return;
  }
  for (let index = start; index < end; index++) to[offset + index - start] = from[index] ?? 0;
}
