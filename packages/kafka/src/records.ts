// What carries records between the adapter and whichever client speaks to the brokers: a page walks what a fetch
// brought, a writer gathers what a produce request takes. Each client has a codec of its own for both.
import type { Position } from '@tandem/pair';
import type { Headers, RecordCursor, SourceBatch } from '@tandem/ports';
import type { AbortedTransaction } from './codec/aborted-filter.ts';
import type { BatchHeader, RecordSlices } from './codec/record-batch-writer.ts';

/** One partition's part of a fetch response, or one finished batch, as the client has it: only its codec looks inside. */
export interface Records {
  /** 0: nothing. */
  readonly length: number;
}

export interface RecordPage extends SourceBatch {
  partition: number;
  nextPosition: Position;
  /** What the partition holds from `from` on; `records` must stay as they are. */
  begin(partition: number, from: number, records: Records, aborted: readonly AbortedTransaction[]): void;
}

export interface BatchWriter {
  readonly count: number;
  /** Of the batch as it is without compression, head included; never below what the broker will count. */
  readonly size_bytes: number;
  reset(): void;
  add(record: RecordCursor): void;
  /** False, and nothing added, where the batch would become larger. */
  tryAdd(record: RecordCursor, limit_bytes: number): boolean;
  addRecord(record: RecordSlices, headers: Headers | undefined): void;
  /** Valid until the next `reset`; may be called again, with another header too. */
  finish(header: BatchHeader): Records;
}

export interface Codec {
  /** To be awaited before a page walks them. */
  load(records: Records): Promise<void> | undefined;
  /** Errors name the topic. */
  page(topic: string): RecordPage;
  writer(): BatchWriter;
}
