// Pages of log records as COPY sends them: rows are copied into one buffer per page as they arrive, and a cursor walks
// that buffer. No object per record is kept.
import { Buffer } from 'node:buffer';
import type { Position } from '@tandem/pair';
import type { Headers, SourceBatch } from '@tandem/ports';
import { toError } from '@tandem/ports';
import type { Connection as WireConnection, Submittable } from 'pg';
import { postgresEpoch_ms } from './binary.ts';

// A row of COPY .. (FORMAT binary): number of fields (2), then per field its length (4; -1 for null) and its bytes:
// partition (4), offset (8), ts (8), key, value, headers. What follows the offset is kept as it is.
const partitionAt = 6;
const offsetAt = 14;
const timestampLengthAt = 22;
/** Where the part of a row that is kept begins: at the timestamp. */
const keptFrom = 26;
const signature_bytes = 11;
/** A page that had to grow beyond this gives the memory back. */
const kept_bytes = 4 << 20;

/** Records of one partition without a gap between them, as rows from the timestamp on. */
export class LogPage implements SourceBatch {
  readonly kind = 'batch';
  partition = 0;
  position = -1;
  timestamp_ms = 0;
  bytes: Buffer = Buffer.allocUnsafeSlow(16_384);
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  #first = 0;
  #count = 0;
  #end = 0;
  #at = 0;
  #headersStart = 0;
  #headersEnd = -1;

  get nextPosition(): Position {
    return (this.#first + this.#count) as Position;
  }

  get count(): number {
    return this.#count;
  }

  get size_bytes(): number {
    return this.#end;
  }

  /** Empties it; the next row must be that of `first`. */
  begin(partition: number, first: number): void {
    if (this.bytes.length > kept_bytes) this.bytes = Buffer.allocUnsafeSlow(kept_bytes);
    this.partition = partition;
    this.#first = first;
    this.position = first - 1;
    this.#count = 0;
    this.#end = 0;
    this.#at = 0;
  }

  /** Adds a row of `row[from, row.length)`, as COPY sent it. */
  addRow(row: Buffer, from: number): void {
    const length = row.length - from - keptFrom;
    if (this.#end + length > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.#end + length));
      this.bytes.copy(grown, 0, 0, this.#end);
      this.bytes = grown;
    }
    row.copy(this.bytes, this.#end, from + keptFrom);
    this.#end += length;
    this.#count++;
  }

  next(): boolean {
    if (this.#at >= this.#end) return false;
    const { bytes } = this;
    let at = this.#at;
    this.position++;
    const microseconds = bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
    this.timestamp_ms = microseconds / 1000 + postgresEpoch_ms;
    at += 8;
    const keyLength = bytes.readInt32BE(at);
    this.keyStart = at + 4;
    this.keyEnd = keyLength < 0 ? -1 : this.keyStart + keyLength;
    at = this.keyStart + Math.max(keyLength, 0);
    const valueLength = bytes.readInt32BE(at);
    this.valueStart = at + 4;
    this.valueEnd = valueLength < 0 ? -1 : this.valueStart + valueLength;
    at = this.valueStart + Math.max(valueLength, 0);
    const headersLength = bytes.readInt32BE(at);
    this.#headersStart = at + 4;
    this.#headersEnd = headersLength < 0 ? -1 : this.#headersStart + headersLength;
    this.#at = this.#headersStart + Math.max(headersLength, 0);
    return true;
  }

  headers(): Headers | undefined {
    if (this.#headersEnd < 0) return undefined;
    const flat: unknown = JSON.parse(this.bytes.toString('utf8', this.#headersStart, this.#headersEnd));
    // Any client may write this column.
    return Array.isArray(flat) && flat.every((part) => typeof part === 'string') ? flat : undefined;
  }
}

/** What a fetch tells of each row, in the order of the statement. */
export interface FetchSink {
  /** The partition's bounds in the same view of the log as the rows that follow. */
  onHead(partition: number, first: number, next: number): void;
  /** One record; `row.subarray(from)` is only valid during the call. */
  onRow(partition: number, offset: number, row: Buffer, from: number): void;
}

/**
 * One COPY (SELECT ..) TO STDOUT (FORMAT binary) on a pg client. PostgreSQL sends exactly one row per message.
 * Heads are rows without a timestamp: offset = next, key = first as int8.
 */
export class Fetch implements Submittable {
  readonly done: Promise<void>;
  readonly #text: string;
  readonly #sink: FetchSink;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #failure: Error | undefined;
  #isFirst = true;

  constructor(text: string, sink: FetchSink) {
    this.#text = text;
    this.#sink = sink;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: WireConnection): void {
    connection.query(this.#text);
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    if (this.#failure !== undefined) return;
    try {
      this.#take(message.chunk);
    } catch (thrown) {
      this.#failure = toError(thrown);
    }
  }

  #take(row: Buffer): void {
    let from = 0;
    if (this.#isFirst) {
      // The file header comes with the first row: signature, flags (4), length of an extension (4) and the extension.
      this.#isFirst = false;
      from = signature_bytes + 8 + row.readInt32BE(signature_bytes + 4);
    }
    if (row.readInt16BE(from) < 0) return;
    const partition = row.readInt32BE(from + partitionAt);
    const offset = readInt64(row, from + offsetAt);
    if (row.readInt32BE(from + timestampLengthAt) >= 0) this.#sink.onRow(partition, offset, row, from);
    else this.#sink.onHead(partition, readInt64(row, from + timestampLengthAt + 8), offset);
  }

  handleError(error: Error): void {
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#resolve();
    else this.#reject(this.#failure);
  }

  handleCommandComplete(): void {
    // ReadyForQuery follows.
  }
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
}
