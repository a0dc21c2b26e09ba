// Builds one record batch of magic 2 in a buffer that is used again and again.
import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import type { Headers, RecordCursor } from '@tandem/ports';
import { batchAttributes, batchLayout, compressionCode, currentMagic, lengthEnd, writeInt64 } from './batch-format.ts';
import { copyBytes } from './copy.ts';
import { crc32c } from './crc32c.ts';

/** One record as ranges of one buffer. A null key or value has its end at -1. */
export interface RecordSlices {
  readonly timestamp_ms: number;
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export interface BatchHeader {
  /** -1n: none (not idempotent); epoch and sequence are -1 then. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
  readonly compression: 'none' | 'gzip';
}

const initial_bytes = 64 << 10;
/** Varints are exact up to here: some 142,000 years. */
const mostTimestamp_ms = 2 ** 52;

export class RecordBatchWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initial_bytes);
  #end: number = batchLayout.records;
  #count = 0;
  #baseTimestamp_ms = 0;
  #maxTimestamp_ms = 0;

  /** Records added since `reset`. */
  get count(): number {
    return this.#count;
  }

  /** Of the batch as it is without compression, head included. */
  get size_bytes(): number {
    return this.#end;
  }

  /** Empties it. The buffer that `finish` gave is overwritten by what is added next. */
  reset(): void {
    this.#end = batchLayout.records;
    this.#count = 0;
  }

  /** Whether the batch, uncompressed, stays within `limit_bytes` with the cursor's current record added. */
  fits(record: RecordCursor, limit_bytes: number): boolean {
    return this.sizeWith(record) <= limit_bytes;
  }

  /** Size of the uncompressed batch with the cursor's current record added. */
  sizeWith(record: RecordCursor): number {
    const body = this.#bodySize(record, this.#deltaOf(record), record.headers());
    return this.#end + varintSize(body * 2) + body;
  }

  /** Adds the cursor's current record: key, value, headers and timestamp; its position is not kept. */
  add(record: RecordCursor): void {
    this.tryAdd(record, Infinity);
  }

  /** Adds the cursor's current record, or answers false and changes nothing where it does not fit. */
  tryAdd(record: RecordCursor, limit_bytes: number): boolean {
    return this.#append(record, record.headers(), limit_bytes);
  }

  /** Adds a record that is no cursor's. `headers`: flat name, value, name, value. */
  addRecord(record: RecordSlices, headers: Headers | undefined): void {
    this.#append(record, headers, Infinity);
  }

  /**
   * The finished batch; valid until `reset` or the next record is added. May be called again, with another header too.
   * Compressing is done here and now, and left undone where it would not make the batch smaller.
   */
  finish(header: BatchHeader): Buffer {
    if (this.#count === 0) throw new Error('a record batch needs at least one record');
    if (header.compression === 'none') return this.#close(this.#bytes, this.#end, header, compressionCode.none);
    const records = this.#bytes.subarray(batchLayout.records, this.#end);
    // Level 1: a third of the time for a tenth more bytes, and the lane's thread waits for it.
    const compressed = gzipSync(records, { level: 1 });
    if (compressed.length >= records.length) {
      return this.#close(this.#bytes, this.#end, header, compressionCode.none);
    }
    const batch = Buffer.allocUnsafeSlow(batchLayout.records + compressed.length);
    compressed.copy(batch, batchLayout.records);
    return this.#close(batch, batch.length, header, compressionCode.gzip);
  }

  /** How far the record's timestamp, in whole milliseconds, is from that of the first. */
  #deltaOf(record: RecordSlices): number {
    const timestamp_ms = Math.floor(record.timestamp_ms);
    const base_ms = this.#count === 0 ? timestamp_ms : this.#baseTimestamp_ms;
    // NaN is not below anything either.
    if (!(Math.abs(timestamp_ms) < mostTimestamp_ms) || !(Math.abs(timestamp_ms - base_ms) < mostTimestamp_ms)) {
      throw new RangeError(`a record's timestamp cannot be ${record.timestamp_ms} ms`);
    }
    return timestamp_ms - base_ms;
  }

  #bodySize(record: RecordSlices, delta_ms: number, headers: Headers | undefined): number {
    // Attributes, differences of timestamp and offset, key, value, headers.
    return (
      1 +
      varintSize(toZigzag(delta_ms)) +
      varintSize(this.#count * 2) +
      fieldSize(record.keyStart, record.keyEnd) +
      fieldSize(record.valueStart, record.valueEnd) +
      (headers === undefined ? 1 : headersSize(headers))
    );
  }

  #append(record: RecordSlices, headers: Headers | undefined, limit_bytes: number): boolean {
    const delta_ms = this.#deltaOf(record);
    const body = this.#bodySize(record, delta_ms, headers);
    const end = this.#end + varintSize(body * 2) + body;
    if (end > limit_bytes) return false;
    if (end > this.#bytes.length) this.#grow(end);
    const timestamp_ms = Math.floor(record.timestamp_ms);
    if (this.#count === 0) {
      this.#baseTimestamp_ms = timestamp_ms;
      this.#maxTimestamp_ms = timestamp_ms;
    } else if (timestamp_ms > this.#maxTimestamp_ms) {
      this.#maxTimestamp_ms = timestamp_ms;
    }
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#end, body * 2);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, toZigzag(delta_ms));
    at = writeVarint(bytes, at, this.#count * 2);
    at = writeField(bytes, at, record.bytes, record.keyStart, record.keyEnd);
    at = writeField(bytes, at, record.bytes, record.valueStart, record.valueEnd);
    if (headers === undefined) bytes[at] = 0;
    else writeHeaders(bytes, at, headers);
    this.#end = end;
    this.#count++;
    return true;
  }

  #grow(needed_bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, needed_bytes));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }

  /** Writes the head of the batch that is `batch[0, end)`. */
  #close(batch: Buffer, end: number, header: BatchHeader, compression: number): Buffer {
    // The broker fills in offsets and the leader's epoch; they are no part of what the checksum covers.
    batch.fill(0, batchLayout.baseOffset, batchLayout.length);
    batch.writeInt32BE(end - lengthEnd, batchLayout.length);
    batch.writeInt32BE(-1, batchLayout.leaderEpoch);
    batch.writeInt8(currentMagic, batchLayout.magic);
    const attributes = compression | (header.transactional ? batchAttributes.transactional : 0);
    batch.writeInt16BE(attributes, batchLayout.attributes);
    batch.writeInt32BE(this.#count - 1, batchLayout.lastOffsetDelta);
    writeInt64(batch, this.#baseTimestamp_ms, batchLayout.baseTimestamp);
    writeInt64(batch, this.#maxTimestamp_ms, batchLayout.maxTimestamp);
    batch.writeBigInt64BE(header.producerId, batchLayout.producerId);
    batch.writeInt16BE(header.producerEpoch, batchLayout.producerEpoch);
    batch.writeInt32BE(header.baseSequence, batchLayout.baseSequence);
    batch.writeInt32BE(this.#count, batchLayout.count);
    batch.writeUInt32BE(crc32c(batch, batchLayout.attributes, end), batchLayout.checksum);
    return batch.subarray(0, end);
  }
}

/** Numbers of either sign, the small ones first: 0, -1, 1, -2, 2. */
function toZigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  let size = 4;
  for (let rest = value / 0x1000_0000; rest >= 1; rest /= 128) size++;
  return size;
}

/** @returns where the next thing is to be written. */
function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  if (value < 0x80) {
    bytes[at++] = value;
    return at;
  }
  if (value < 0x4000) {
    bytes[at++] = (value & 0x7f) | 0x80;
    bytes[at++] = value >>> 7;
    return at;
  }
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
  bytes[at++] = rest;
  return at;
}

function fieldSize(start: number, end: number): number {
  return end < 0 ? 1 : varintSize((end - start) * 2) + end - start;
}

function writeField(bytes: Buffer, at: number, from: Buffer, start: number, end: number): number {
  if (end < 0) {
    // A length of -1: null.
    bytes[at] = 1;
    return at + 1;
  }
  const length = end - start;
  const out = writeVarint(bytes, at, length * 2);
  copyBytes(from, start, bytes, out, length);
  return out + length;
}

function headersSize(headers: Headers): number {
  let size = varintSize(headers.length);
  for (const text of headers) {
    const length = Buffer.byteLength(text);
    size += varintSize(length * 2) + length;
  }
  return size;
}

function writeHeaders(bytes: Buffer, start: number, headers: Headers): void {
  // Twice the number of pairs, which is what the list holds.
  let at = writeVarint(bytes, start, headers.length);
  for (const text of headers) {
    const length = Buffer.byteLength(text);
    at = writeVarint(bytes, at, length * 2);
    bytes.write(text, at, length, 'utf8');
    at += length;
  }
}
