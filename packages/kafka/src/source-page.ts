// What a reader hands out: one partition's part of a fetch response.
import type { Buffer } from 'node:buffer';
import type { Position } from '@tandem/pair';
import { TandemError } from '@tandem/ports';
import type { AbortedTransaction } from './codec/aborted-filter.ts';
import { RecordBatchReader } from './codec/record-batch-reader.ts';
import type { RecordPage, Records } from './records.ts';

export class SourcePage extends RecordBatchReader implements RecordPage {
  readonly kind = 'batch';
  declare nextPosition: Position;
  partition = 0;
  readonly #topic: string;

  constructor(topic: string) {
    super();
    this.#topic = topic;
  }

  /** What the partition holds from `from` on; the bytes must stay as they are. */
  begin(partition: number, from: number, records: Records, aborted: readonly AbortedTransaction[]): void {
    this.partition = partition;
    this.reset(records as Buffer, { from, aborted });
  }

  override next(): boolean {
    try {
      return super.next();
    } catch (thrown) {
      if (!(thrown instanceof TandemError)) throw thrown;
      const where = `topic '${this.#topic}' partition ${String(this.partition)}`;
      throw new TandemError(thrown.code, `${where}: ${thrown.message}`, { blame: thrown.blame, cause: thrown });
    }
  }
}
