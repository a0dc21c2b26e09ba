// Record batches for tests, and records as text to compare.
import type { Headers, RecordCursor } from '@tandem/ports';
import { batchAttributes, batchLayout, lengthEnd } from '../../../src/codec/batch-format.ts';
import { crc32c } from '../../../src/codec/crc32c.ts';
import { RecordBatchReader, type ReadOptions } from '../../../src/codec/record-batch-reader.ts';
import { RecordBatchWriter, type BatchHeader } from '../../../src/codec/record-batch-writer.ts';

export interface TestRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp_ms: number;
  readonly headers?: Headers | undefined;
}

export const plain: BatchHeader = {
  producerId: -1n,
  producerEpoch: -1,
  baseSequence: -1,
  transactional: false,
  compression: 'none',
};

/** Walks records as the cursors of the queue do: key and value within a larger buffer. */
export class RecordList implements RecordCursor {
  position = -1;
  timestamp_ms = 0;
  bytes: Buffer = Buffer.alloc(0);
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  readonly #records: readonly TestRecord[];
  #at = -1;

  constructor(records: readonly TestRecord[]) {
    this.#records = records;
  }

  next(): boolean {
    const record = this.#records[++this.#at];
    if (record === undefined) return false;
    const { key, value } = record;
    this.bytes = Buffer.concat([Buffer.from('before'), key ?? Buffer.alloc(0), value ?? Buffer.alloc(0)]);
    this.keyStart = 6;
    this.valueStart = 6 + (key?.length ?? 0);
    this.keyEnd = key === null ? -1 : this.valueStart;
    this.valueEnd = value === null ? -1 : this.bytes.length;
    this.timestamp_ms = record.timestamp_ms;
    this.position++;
    return true;
  }

  headers(): Headers | undefined {
    return this.#records[this.#at]?.headers;
  }
}

export function textRecords(...values: readonly string[]): TestRecord[] {
  return values.map((value) => ({ key: null, value: Buffer.from(value), timestamp_ms: 1000 }));
}

export interface BatchChanges {
  readonly offset?: number;
  /** Where compaction has taken the last records away. */
  readonly lastOffset?: number;
  readonly control?: boolean;
  readonly header?: Partial<BatchHeader>;
  /** Instead of the records as they were written: of a compression that the writer does not have. */
  readonly records?: { readonly compression: number; readonly bytes: Uint8Array };
}

/** One batch as a broker sends it. */
export function batchOf(records: readonly TestRecord[], changes: BatchChanges = {}): Buffer {
  const writer = new RecordBatchWriter();
  const list = new RecordList(records);
  while (list.next()) writer.add(list);
  const batch = Buffer.from(writer.finish({ ...plain, ...changes.header }));
  const { offset = 0, lastOffset = offset + records.length - 1, control = false } = changes;
  return changed(batch, (bytes) => {
    bytes.writeBigInt64BE(BigInt(offset), batchLayout.baseOffset);
    bytes.writeInt32BE(lastOffset - offset, batchLayout.lastOffsetDelta);
    const attributes = bytes.readInt16BE(batchLayout.attributes) | (control ? batchAttributes.control : 0);
    bytes.writeInt16BE(attributes | (changes.records?.compression ?? 0), batchLayout.attributes);
    return changes.records && Buffer.concat([bytes.subarray(0, batchLayout.records), changes.records.bytes]);
  });
}

/** The batch with its bytes changed, or in place of it what `change` answers, and then its length and checksum made right. */
export function changed(batch: Buffer, change: (bytes: Buffer) => Buffer | undefined): Buffer {
  const copy = Buffer.from(batch);
  const bytes = change(copy) ?? copy;
  bytes.writeInt32BE(bytes.length - lengthEnd, batchLayout.length);
  bytes.writeUInt32BE(crc32c(bytes, batchLayout.attributes, bytes.length), batchLayout.checksum);
  return bytes;
}

/** Marks the end of a producer's transaction. */
export function markerOf(offset: number, producerId: bigint): Buffer {
  const key = Buffer.from([0, 0, 0, 0]);
  return batchOf([{ key, value: Buffer.alloc(6), timestamp_ms: 1000 }], {
    offset,
    control: true,
    header: { producerId, producerEpoch: 0, transactional: true },
  });
}

export function readerOf(records: Buffer, options: Partial<ReadOptions> = {}): RecordBatchReader {
  const reader = new RecordBatchReader();
  reader.reset(records, { from: 0, aborted: null, ...options });
  return reader;
}

export interface ReadRecord extends TestRecord {
  readonly position: number;
}

/** All that is left of it. */
export function readAll(reader: RecordCursor): ReadRecord[] {
  const records: ReadRecord[] = [];
  while (reader.next()) {
    const { bytes, position, timestamp_ms, keyStart, keyEnd, valueStart, valueEnd } = reader;
    const key = keyEnd === -1 ? null : Buffer.from(bytes.subarray(keyStart, keyEnd));
    const value = valueEnd === -1 ? null : Buffer.from(bytes.subarray(valueStart, valueEnd));
    records.push({ position, timestamp_ms, key, value, headers: reader.headers() });
  }
  return records;
}

/** Values of all records, as texts. */
export function valuesOf(records: Buffer, options: Partial<ReadOptions> = {}): string[] {
  return readAll(readerOf(records, options)).map(({ value }) => Buffer.from(value ?? []).toString());
}
