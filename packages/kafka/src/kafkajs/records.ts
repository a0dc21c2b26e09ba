// The codec of the client kafkajs: pages over records that kafkajs has decoded, writers that gather what it will encode.
import { Buffer } from 'node:buffer';
import type { Position } from '@tandem/pair';
import { TandemError, type Headers, type RecordCursor } from '@tandem/ports';
import { AbortedFilter, type AbortedTransaction } from '../codec/aborted-filter.ts';
import type { BatchHeader, RecordSlices } from '../codec/record-batch-writer.ts';
import type { BatchWriter, Codec, RecordPage, Records } from '../records.ts';
import type { Batch } from './internals.ts';

export interface DecodedRecords extends Records {
  readonly batches: readonly Batch[];
  /** Why what comes after them could not be decoded. */
  readonly failure: Error | undefined;
}

/** As kafkajs takes them. */
export interface Message {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

export interface GatheredRecords extends Records, BatchHeader {
  readonly messages: readonly Message[];
}

export const kafkajsCodec: Codec = {
  load: () => undefined,
  page: (topic) => new KafkajsPage(topic),
  writer: () => new KafkajsWriter(),
};

const nothing = Buffer.alloc(0);

class KafkajsPage implements RecordPage {
  readonly kind = 'batch';
  partition = 0;
  declare nextPosition: Position;
  position = -1;
  timestamp_ms = 0;
  bytes: Buffer = nothing;
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  readonly #topic: string;
  readonly #aborted = new AbortedFilter();
  #from = 0;
  #batches: readonly Batch[] = [];
  #nextBatch = 0;
  #records: Batch['records'] = [];
  #nextRecord = 0;
  #headers: Batch['records'][number]['headers'] = {};
  #failure: Error | undefined;

  constructor(topic: string) {
    this.#topic = topic;
  }

  begin(partition: number, from: number, records: Records, aborted: readonly AbortedTransaction[]): void {
    const { batches, failure } = records as DecodedRecords;
    this.partition = partition;
    this.#from = from;
    this.#batches = batches;
    this.#failure = failure;
    this.#aborted.reset(aborted);
    this.#nextBatch = 0;
    this.#records = [];
    this.#nextRecord = 0;
    this.position = -1;
    const last = batches.at(-1);
    const end = last === undefined ? from : lastOffset(last) + 1;
    // One further, so that what cannot be read is met, not asked for again and again.
    this.nextPosition = Math.max(from, failure === undefined ? end : end + 1) as Position;
  }

  next(): boolean {
    for (;;) {
      const record = this.#records[this.#nextRecord++];
      if (record === undefined) {
        if (!this.#enterNextBatch()) return false;
        continue;
      }
      const position = Number(record.offset);
      if (position < this.#from) continue;
      const { key, value, timestamp, headers } = record;
      this.position = position;
      this.timestamp_ms = Number(timestamp);
      this.bytes = key === null ? (value ?? nothing) : value === null ? key : Buffer.concat([key, value]);
      this.keyStart = 0;
      this.keyEnd = key === null ? -1 : key.length;
      this.valueStart = key?.length ?? 0;
      this.valueEnd = value === null ? -1 : this.valueStart + value.length;
      this.#headers = headers;
      return true;
    }
  }

  headers(): Headers | undefined {
    const flat: string[] = [];
    for (const [name, values] of Object.entries(this.#headers)) {
      for (const value of isList(values) ? values : [values]) flat.push(name, value?.toString('utf8') ?? '');
    }
    return flat.length === 0 ? undefined : flat;
  }

  #enterNextBatch(): boolean {
    for (;;) {
      const batch = this.#batches[this.#nextBatch++];
      if (batch === undefined) return this.#end();
      if (this.#isDropped(batch)) continue;
      this.#records = batch.records;
      this.#nextRecord = 0;
      return true;
    }
  }

  #end(): false {
    this.#records = [];
    this.#nextRecord = 0;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) return false;
    const where = `topic '${this.#topic}' partition ${String(this.partition)}`;
    const text = `${where}: the record batch after offset ${String(this.nextPosition - 2)} cannot be read: ${failure.message}`;
    throw new TandemError('kafka-corrupt-batch', text, { cause: failure });
  }

  /** Control batches and those of aborted transactions. */
  #isDropped(batch: Batch): boolean {
    if (!batch.inTransaction) return batch.isControlBatch;
    const producerId = BigInt(batch.producerId);
    if (!batch.isControlBatch) return this.#aborted.drops(producerId, lastOffset(batch));
    this.#aborted.endTransaction(producerId, lastOffset(batch));
    return true;
  }
}

function lastOffset({ firstOffset, lastOffsetDelta }: Batch): number {
  return Number(firstOffset) + lastOffsetDelta;
}

function isList<T>(values: T | readonly T[]): values is readonly T[] {
  return Array.isArray(values);
}

/** Head of a batch. */
const head_bytes = 61;
/** At most, of a record without key, value and headers: lengths, and differences of time and offset. */
const recordMost_bytes = 40;
/** At most, of the two lengths of a header. */
const headerMost_bytes = 10;

class KafkajsWriter implements BatchWriter {
  #messages: Message[] = [];
  #size_bytes = head_bytes;

  get count(): number {
    return this.#messages.length;
  }

  get size_bytes(): number {
    return this.#size_bytes;
  }

  reset(): void {
    this.#messages = [];
    this.#size_bytes = head_bytes;
  }

  add(record: RecordCursor): void {
    this.tryAdd(record, Infinity);
  }

  tryAdd(record: RecordCursor, limit_bytes: number): boolean {
    return this.#append(record, record.headers(), limit_bytes);
  }

  addRecord(record: RecordSlices, headers: Headers | undefined): void {
    this.#append(record, headers, Infinity);
  }

  finish(header: BatchHeader): GatheredRecords {
    return { ...header, messages: this.#messages, length: this.#messages.length };
  }

  #append(record: RecordSlices, headers: Headers | undefined, limit_bytes: number): boolean {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = record;
    const size_bytes =
      this.#size_bytes +
      recordMost_bytes +
      Math.max(0, keyEnd - keyStart) +
      Math.max(0, valueEnd - valueStart) +
      sizeOf(headers);
    if (size_bytes > limit_bytes) return false;
    const timestamp_ms = Math.floor(record.timestamp_ms);
    if (!Number.isSafeInteger(timestamp_ms)) {
      throw new RangeError(`a record's timestamp cannot be ${String(record.timestamp_ms)} ms`);
    }
    this.#size_bytes = size_bytes;
    this.#messages.push({
      key: keyEnd < 0 ? null : bytes.subarray(keyStart, keyEnd),
      value: valueEnd < 0 ? null : bytes.subarray(valueStart, valueEnd),
      // As text: kafkajs takes the number 0 for none.
      timestamp: String(timestamp_ms),
      headers: byName(headers),
    });
    return true;
  }
}

function sizeOf(headers: Headers | undefined): number {
  let size = 0;
  for (const text of headers ?? []) size += headerMost_bytes / 2 + Buffer.byteLength(text);
  return size;
}

/** Those of the same name stay in order; kafkajs knows no order between names. */
function byName(headers: Headers = []): Message['headers'] {
  const named = new Map<string, string[]>();
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2);
    const values = named.get(name) ?? [];
    named.set(name, [...values, value]);
  }
  return Object.fromEntries(named);
}
