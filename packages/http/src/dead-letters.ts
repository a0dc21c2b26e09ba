// Outputs that a receiver refuses for good, as a batch for the logs of dead letters: written in the same transaction as
// the positions that pass them.
import { partitionOf, type OutputBatch, type OutputCursor, type PositionMove } from '@tandem/ports';
import type { Refusal } from './task-line.ts';

export interface DeadLetter extends Refusal {
  /** Index into the moves of the batch. */
  readonly task: number;
  /** The log that it goes to, by index, and its partitions. */
  readonly log: number;
  readonly partitions: number;
  readonly sink: string;
  readonly idempotencyKey: string;
}

/** Says what it was and why it is here, beside its own headers. */
function headersOf({ output, status, sink, idempotencyKey }: DeadLetter): string[] {
  const why = ['tandem-sink', sink, 'tandem-status', String(status), 'tandem-idempotency-key', idempotencyKey];
  return [...(output.headers ?? []), ...why];
}

export function deadLetterBatch(moves: readonly PositionMove[], letters: readonly DeadLetter[]): OutputBatch {
  const size = (part: Buffer | null): number => part?.length ?? 0;
  const bytes = Buffer.concat(letters.flatMap(({ output }) => [output.key ?? empty, output.value ?? empty]));
  return {
    moves,
    count: letters.length,
    size_bytes: bytes.length,
    outputs: (): OutputCursor => {
      let index = -1;
      let at = 0;
      return {
        sink: 0,
        partition: 0,
        task: 0,
        position: 0,
        timestamp_ms: 0,
        bytes,
        keyStart: 0,
        keyEnd: -1,
        valueStart: 0,
        valueEnd: -1,
        next() {
          const letter = letters[++index];
          if (letter === undefined) return false;
          const { key, value, position, timestamp_ms } = letter.output;
          this.task = letter.task;
          this.sink = letter.log;
          this.position = position;
          this.timestamp_ms = timestamp_ms;
          this.keyStart = at;
          this.keyEnd = key === null ? -1 : at + key.length;
          at += size(key);
          this.valueStart = at;
          this.valueEnd = value === null ? -1 : at + value.length;
          at += size(value);
          this.partition = key === null ? 0 : partitionOf(key, 0, key.length, letter.partitions);
          return true;
        },
        headers: () => {
          const letter = letters[index];
          return letter === undefined ? undefined : headersOf(letter);
        },
      };
    },
  };
}

const empty = Buffer.alloc(0);
