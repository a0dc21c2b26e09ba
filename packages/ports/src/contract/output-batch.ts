// Batches such as the queue makes, for tests.
import { asPosition } from '@tandem/pair';
import type { OutputBatch, OutputCursor, PositionMove, PublishedPart } from '../publisher.ts';
import type { Headers } from '../record.ts';

export interface NewOutput {
  readonly sink: number;
  readonly partition: number;
  readonly task?: number;
  readonly position?: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp_ms?: number;
  readonly headers?: readonly string[];
}

/** A batch such as the queue makes, for tests. `moves`: task, from, to. */
export function outputBatch(
  moves: readonly (readonly [task: string, from: number, to: number])[],
  outputs: readonly NewOutput[],
): OutputBatch {
  const parts = outputs.map((output) => ({
    output,
    key: output.key === null ? undefined : Buffer.from(output.key),
    value: output.value === null ? undefined : Buffer.from(output.value),
  }));
  const bytes = Buffer.concat(parts.flatMap(({ key, value }) => [key ?? Buffer.alloc(0), value ?? Buffer.alloc(0)]));
  return {
    moves: moves.map(([task, from, to]): PositionMove => ({ task, from: asPosition(from), to: asPosition(to) })),
    count: outputs.length,
    size_bytes: bytes.length,
    outputs: (): OutputCursor => {
      let index = -1;
      let at = 0;
      let headers: Headers | undefined;
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
          const part = parts[++index];
          if (part === undefined) return false;
          const { output, key, value } = part;
          this.sink = output.sink;
          this.partition = output.partition;
          this.task = output.task ?? 0;
          this.position = output.position ?? 0;
          this.timestamp_ms = output.timestamp_ms ?? 0;
          this.keyStart = at;
          this.keyEnd = key === undefined ? -1 : at + key.length;
          at += key?.length ?? 0;
          this.valueStart = at;
          this.valueEnd = value === undefined ? -1 : at + value.length;
          at += value?.length ?? 0;
          headers = output.headers;
          return true;
        },
        headers: () => headers,
      };
    },
  };
}

/** What is left of a batch that was published in part, as a lane would offer it next. */
export function restOf(batch: OutputBatch, { positions }: PublishedPart): OutputBatch {
  const moves = batch.moves.map((move): PositionMove => ({ ...move, from: positions.get(move.task) ?? move.from }));
  const left = moves.filter(({ from, to }) => from < to);
  const outputs = (): OutputCursor => {
    const cursor = batch.outputs();
    const next = cursor.next.bind(cursor);
    cursor.next = () => {
      while (next()) {
        const move = moves[cursor.task];
        if (move === undefined || cursor.position < move.from) continue;
        cursor.task = left.indexOf(move);
        return true;
      }
      return false;
    };
    return cursor;
  };
  let count = 0;
  for (const cursor = outputs(); cursor.next();) count++;
  return { moves: left, count, size_bytes: batch.size_bytes, outputs };
}
