// Walks the records of a fetch response where they lie: record batches of magic 2, as brokers since Kafka 0.11 hold them.
import { Buffer } from 'node:buffer';
import { TandemError, toError, type Headers, type RecordCursor } from '@tandem/ports';
import { AbortedFilter, type AbortedTransaction } from './aborted-filter.ts';
import {
  batchAttributes,
  batchEndOffset,
  batchLayout,
  batchSize_bytes,
  compressionCode,
  corruptBatch,
  currentMagic,
  readInt64,
} from './batch-format.ts';
import { decompress } from './compression.ts';
import { crc32c } from './crc32c.ts';

export type { AbortedTransaction };

export interface ReadOptions {
  /** Records below it are passed over: a broker hands out whole batches. */
  readonly from: number;
  /** Of the same response, in any order; null: everything is read, committed or not. */
  readonly aborted: readonly AbortedTransaction[] | null;
}

const nothing = Buffer.alloc(0);
const none: readonly AbortedTransaction[] = [];

/**
 * A cursor over the bytes of one partition in a fetch response. An incomplete batch at the end is left for the next
 * fetch, which starts at `nextPosition`. Control batches and aborted transactions are passed over. Where
 * `loadDecompressors` has a promise for the same bytes, it must have resolved before the first `next`.
 *
 * `next` and `headers` throw a TandemError (`kafka-corrupt-batch`, `kafka-old-message-format`,
 * `kafka-batch-too-large`, `kafka-zstd-unavailable`) that names the offset but not the topic; `next` answers false after that.
 */
export class RecordBatchReader implements RecordCursor {
  position = -1;
  timestamp_ms = 0;
  /** The response's bytes, or those of the batch in hand where it was compressed; none of them is used again. */
  bytes: Buffer = nothing;
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  /** After the last whole batch, whatever it holds: known from the start. */
  nextPosition = 0;

  readonly #aborted = new AbortedFilter();
  #from = 0;
  #records: Buffer = nothing;
  /** Where the next batch begins in `#records`. */
  #nextBatch = 0;
  // The batch in hand. Its records lie in `bytes` from `#at` to `#end`, `#left` of them not yet handed out.
  #left = 0;
  #at = 0;
  #end = 0;
  #baseOffset = 0;
  #batchEnd = 0;
  /** Of all its records, or what theirs are relative to. */
  #timestamp_ms = 0;
  #hasAppendTime = false;
  // The record in hand.
  #headersStart = 0;
  #recordEnd = 0;

  /** Begins anew with `records`, which must stay as they are for as long as what was read from them is in use. */
  reset(records: Buffer, options: ReadOptions): void {
    this.#records = records;
    this.#from = options.from;
    this.#aborted.reset(options.aborted ?? none);
    this.#nextBatch = 0;
    this.#left = 0;
    this.#at = 0;
    this.#end = 0;
    this.position = -1;
    this.nextPosition = Math.max(options.from, endOf(records));
  }

  next(): boolean {
    for (;;) {
      if (this.#left === 0) {
        if (!this.#enterNextBatch()) return false;
        continue;
      }
      // A record: its length, attributes (one byte, unused), timestamp and offset as differences to the batch's, key and
      // value with a length before each, headers. All numbers are zigzag varints: an odd one is below zero.
      this.#left--;
      const length = this.#varint();
      const end = this.#at + length / 2;
      this.#at++;
      const timestamp = this.#varint();
      const offset = this.#varint();
      const key = this.#varint();
      const keyStart = this.#at;
      const keyEnd = (key & 1) === 0 ? keyStart + key / 2 : -1;
      if (keyEnd !== -1) this.#at = keyEnd;
      const value = this.#varint();
      const valueStart = this.#at;
      const valueEnd = (value & 1) === 0 ? valueStart + value / 2 : -1;
      const headersStart = valueEnd === -1 ? valueStart : valueEnd;
      const position = this.#baseOffset + offset / 2;
      // Bytes beyond the buffer's end have come as undefined, and then nothing here is true.
      const isSound = headersStart < end && end <= this.#end && ((length | offset) & 1) === 0;
      if (!isSound || !(position < this.#batchEnd)) this.#failWithin('a record does not fit into its batch');
      this.#at = end;
      if (position < this.#from) continue;
      this.position = position;
      this.timestamp_ms = this.#hasAppendTime ? this.#timestamp_ms : this.#timestamp_ms + fromZigzag(timestamp);
      this.keyStart = keyStart;
      this.keyEnd = keyEnd;
      this.valueStart = valueStart;
      this.valueEnd = valueEnd;
      this.#headersStart = headersStart;
      this.#recordEnd = end;
      return true;
    }
  }

  /** A header's value of null is given as ''. */
  headers(): Headers | undefined {
    const walkedTo = this.#at;
    try {
      return this.#readHeaders();
    } finally {
      this.#at = walkedTo;
    }
  }

  #readHeaders(): Headers | undefined {
    this.#at = this.#headersStart;
    const count = fromZigzag(this.#varint());
    if (count === 0) return undefined;
    const flat: string[] = [];
    for (let left = count; left > 0; left--) flat.push(this.#text(), this.#text());
    if (this.#at !== this.#recordEnd || count < 0)
      throw corruptBatch(this.position, 'the headers do not fill their record');
    return flat;
  }

  #text(): string {
    const length = fromZigzag(this.#varint());
    const start = this.#at;
    const end = start + Math.max(length, 0);
    if (!(end <= this.#recordEnd)) throw corruptBatch(this.position, 'a header does not fit into its record');
    this.#at = end;
    return this.bytes.toString('utf8', start, end);
  }

  /** Up to three bytes here; undefined where the buffer has ended. */
  #varint(): number {
    const { bytes } = this;
    let at = this.#at;
    let byte = bytes[at++] as number;
    let value = byte;
    if (byte > 127) {
      byte = bytes[at++] as number;
      value = (value & 0x7f) | (byte << 7);
      if (byte > 127) {
        byte = bytes[at++] as number;
        value = (value & 0x3fff) | (byte << 14);
        if (byte > 127) return this.#longVarint();
      }
    }
    this.#at = at;
    return value;
  }

  /** Up to ten bytes; exact up to 2^53. */
  #longVarint(): number {
    let value = 0;
    let factor = 1;
    for (let left = 10; left > 0; left--) {
      const byte = this.bytes[this.#at++] as number;
      value += (byte & 0x7f) * factor;
      if (!(byte > 127)) break;
      factor *= 128;
    }
    return value;
  }

  /** Goes to the next batch that has records to hand out; false when there is none. */
  #enterNextBatch(): boolean {
    if (this.#at !== this.#end) this.#failWithin('there are bytes after the last record of its batch');
    const records = this.#records;
    while (this.#nextBatch < records.length) {
      const at = this.#nextBatch;
      const end = at + (batchSize_bytes(records, at) ?? Infinity);
      if (end > records.length) {
        // Brokers send at least one batch whole, however large.
        if (at === 0) this.#fail(corruptBatch(this.#from, `${records.length} bytes hold no whole record batch`));
        break;
      }
      this.#nextBatch = end;
      this.#check(at, end);
      if (this.#enter(at, end)) return true;
    }
    this.#nextBatch = records.length;
    return false;
  }

  #check(at: number, end: number): void {
    const records = this.#records;
    const offset = readInt64(records, at + batchLayout.baseOffset);
    const magic = records.readInt8(at + batchLayout.magic);
    if (magic === 0 || magic === 1) {
      const text = `the record at offset ${offset} is in the message format of Kafka before 0.11 (magic ${magic}), which is not read. Copy the topic to a new one with a current client`;
      this.#fail(new TandemError('kafka-old-message-format', text, { blame: 'user' }));
    }
    if (magic !== currentMagic) this.#fail(corruptBatch(offset, `its message format (magic ${magic}) is unknown`));
    if (end - at < batchLayout.records) this.#fail(corruptBatch(offset, 'a record batch is shorter than its head'));
    const checksum = records.readUInt32BE(at + batchLayout.checksum);
    if (crc32c(records, at + batchLayout.attributes, end) !== checksum) {
      this.#fail(corruptBatch(offset, 'the checksum of its record batch is wrong'));
    }
  }

  /** False when nothing of this batch is to be handed out. */
  #enter(at: number, end: number): boolean {
    const records = this.#records;
    const attributes = records.readInt16BE(at + batchLayout.attributes);
    const batchEnd = batchEndOffset(records, at);
    if (this.#isDropped(at, attributes, batchEnd - 1) || batchEnd <= this.#from) return false;
    const count = records.readInt32BE(at + batchLayout.count);
    // Compaction leaves empty batches behind.
    if (count === 0) return false;
    const offset = readInt64(records, at + batchLayout.baseOffset);
    if (count < 0) this.#fail(corruptBatch(offset, `a record batch has ${count} records`));
    this.#hasAppendTime = (attributes & batchAttributes.appendTime) !== 0;
    const { maxTimestamp, baseTimestamp } = batchLayout;
    this.#timestamp_ms = readInt64(records, at + (this.#hasAppendTime ? maxTimestamp : baseTimestamp));
    this.#baseOffset = offset;
    this.#batchEnd = batchEnd;
    this.#left = count;
    const compression = attributes & batchAttributes.compression;
    if (compression === compressionCode.none) {
      this.bytes = records;
      this.#at = at + batchLayout.records;
      this.#end = end;
    } else {
      this.bytes = this.#decompress(compression, records.subarray(at + batchLayout.records, end), offset);
      this.#at = 0;
      this.#end = this.bytes.length;
    }
    return true;
  }

  /** Control batches and those of aborted transactions. */
  #isDropped(at: number, attributes: number, lastOffset: number): boolean {
    const isControl = (attributes & batchAttributes.control) !== 0;
    if (this.#aborted.isIdle || (attributes & batchAttributes.transactional) === 0) return isControl;
    const producerId = this.#records.readBigInt64BE(at + batchLayout.producerId);
    if (!isControl) return this.#aborted.drops(producerId, lastOffset);
    this.#aborted.endTransaction(producerId, lastOffset);
    return true;
  }

  #decompress(compression: number, compressed: Buffer, offset: number): Buffer {
    try {
      return decompress(compression, compressed, offset);
    } catch (thrown) {
      return this.#fail(toError(thrown));
    }
  }

  #failWithin(reason: string): never {
    return this.#fail(corruptBatch(this.#baseOffset, reason));
  }

  /** What comes after it is not looked at. */
  #fail(error: Error): never {
    this.#left = 0;
    this.#at = this.#end;
    this.#nextBatch = this.#records.length;
    throw error;
  }
}

function fromZigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** Offset after the last whole batch; below any other where there is none. */
function endOf(records: Buffer): number {
  let end = -1;
  for (let at = 0; at + batchLayout.records <= records.length;) {
    const next = at + (batchSize_bytes(records, at) ?? Infinity);
    if (next > records.length || next - at < batchLayout.records) break;
    end = batchEndOffset(records, at);
    at = next;
  }
  return end;
}
