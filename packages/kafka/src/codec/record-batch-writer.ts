// Builds one record batch of magic 2 in a buffer that is used again and again.
import { Buffer } from 'node:buffer';
import type { Headers, RecordCursor } from '@tandem/ports';

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
  /** -1n: none (not idempotent). */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
  readonly compression: 'none' | 'gzip';
}

export class RecordBatchWriter {
  /** Records added since `reset`. */
  get count(): number {
    return 0;
  }

  /** Of the batch as it would be without compression, header (61) included. */
  get size_bytes(): number {
    return 61;
  }

  /** Empties it. The buffer that `finish` gave is overwritten by what is added next. */
  reset(): void {
    // To come.
  }

  /** Whether the batch, uncompressed, would stay within `limit_bytes` with this record added. */
  fits(record: RecordCursor, limit_bytes: number): boolean {
    return this.sizeWith(record) <= limit_bytes;
  }

  /** Size of the uncompressed batch with this record added; never less than it turns out to be. */
  sizeWith(record: RecordCursor): number {
    return this.size_bytes + record.keyEnd;
  }

  /** Adds the cursor's current record: key, value, headers and timestamp; the position is not kept. */
  add(record: RecordCursor): void {
    this.addRecord(record, record.headers());
  }

  /** Adds a record that is no cursor's. `headers`: flat name, value, name, value. */
  addRecord(record: RecordSlices, headers: Headers | undefined): void {
    throw new Error(`to come: ${String(record.keyEnd)} ${String(headers?.length)}`);
  }

  /** The finished batch; valid until `reset` or the next `add`. May be called again, with another header too. */
  finish(header: BatchHeader): Buffer {
    throw new Error(`to come: ${header.compression}`);
  }
}
