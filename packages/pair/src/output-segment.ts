// How queued outputs lie in memory and in a snapshot's chunks: records one after the other in segments, segments in a chain.
import { ProtocolViolation } from './violation.ts';

/**
 * A record, little-endian. The offsets are relative to its start; key, value and headers follow one another.
 * `valueEnd` and `keyEnd` are not kept: lengths are, and the flags say what is null.
 */
export const recordLayout = {
  size: 0, // u32, of the whole record
  sink: 4, // u16
  flags: 6, // u16
  partition: 8, // u32
  keySize: 12, // u32
  valueSize: 16, // u32
  timestamp: 20, // f64
  position: 28, // f64, of the input
  body: 36,
} as const;

export const recordFlags = { hasKey: 1, hasValue: 2, hasHeaders: 4 } as const;

/** `utf8Write` has no declaration, yet it is what `write` calls once it has looked at its arguments. */
export interface TextBuffer extends Buffer {
  utf8Write(text: string, offset: number, length: number): number;
}

/** Append-only: bytes below `used` never change until the segment is recycled. */
export interface Segment {
  readonly bytes: TextBuffer;
  readonly view: DataView;
  used: number;
  next: Segment | undefined;
}

export function createSegment(size_bytes: number): Segment {
  const bytes = Buffer.allocUnsafeSlow(size_bytes) as TextBuffer;
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, size_bytes), used: 0, next: undefined };
}

/** A place in the chain. `offset` may be the end of the segment: the next record is then in the one that follows. */
export interface Mark {
  segment: Segment;
  offset: number;
}

/** Size of headers in a record: a count, then size and UTF-8 of each text. */
export function headersSize_bytes(headers: readonly string[]): number {
  let size = 4;
  for (const text of headers) size += 4 + Buffer.byteLength(text);
  return size;
}

export function writeHeaders(segment: Segment, offset: number, headers: readonly string[]): number {
  segment.view.setUint32(offset, headers.length, true);
  let at = offset + 4;
  for (const text of headers) {
    const size = segment.bytes.utf8Write(text, at + 4, segment.bytes.length - at - 4);
    segment.view.setUint32(at, size, true);
    at += 4 + size;
  }
  return at;
}

export function readHeaders(bytes: Buffer, offset: number): readonly string[] {
  const count = bytes.readUInt32LE(offset);
  const headers: string[] = [];
  let at = offset + 4;
  for (let index = 0; index < count; index++) {
    const size = bytes.readUInt32LE(at);
    headers.push(bytes.toString('utf8', at + 4, at + 4 + size));
    at += 4 + size;
  }
  return headers;
}

/** Size of the record at `offset` of a chunk that came from outside. @throws ProtocolViolation when it cannot be one. */
export function checkedRecordSize_bytes(chunk: DataView, offset: number, sinkCount: number): number {
  const left = chunk.byteLength - offset;
  const size = left < recordLayout.body ? 0 : chunk.getUint32(offset + recordLayout.size, true);
  if (size < recordLayout.body || size > left) {
    throw new ProtocolViolation(`snapshot of an output queue: no whole record at byte ${offset} of a chunk`);
  }
  const keySize = chunk.getUint32(offset + recordLayout.keySize, true);
  const valueSize = chunk.getUint32(offset + recordLayout.valueSize, true);
  const sink = chunk.getUint16(offset + recordLayout.sink, true);
  if (recordLayout.body + keySize + valueSize > size || sink >= sinkCount) {
    throw new ProtocolViolation(`snapshot of an output queue: the record at byte ${offset} of a chunk is not sound`);
  }
  return size;
}
