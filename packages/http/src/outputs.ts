// The outputs of a batch, apart by task, each with the id that it has on every node.
import { asPosition, type Position, type TaskId } from '@tandem/pair';
import type { Headers, OutputBatch, OutputCursor, PositionMove } from '@tandem/ports';

export interface Output {
  /** Index of the sink among those of the publisher. */
  readonly sink: number;
  /** Of the input. */
  readonly position: Position;
  /** Among the outputs of the input to this sink; the same on every node. */
  readonly ordinal: number;
  /** Among all outputs of the input. */
  readonly index: number;
  readonly timestamp_ms: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers | undefined;
}

export interface TakenOutputs {
  readonly move: PositionMove;
  /** In order; whole inputs, as batches hold whole inputs (S5), which is what makes the ordinals right. */
  readonly outputs: readonly Output[];
  /** Every output of every input before it is among them: where the move ends, or the input that was left out first. */
  readonly end: Position;
}

interface Taking {
  readonly move: PositionMove;
  readonly outputs: Output[];
  end: Position;
  isFull: boolean;
  /** Of the input that is being taken. */
  position: number;
  index: number;
  ordinals: number[];
}

/** At most about `most` outputs of each task, copied: the batch may be gone before they have been sent. */
export function takeOutputs(batch: OutputBatch, most: number): ReadonlyMap<TaskId, TakenOutputs> {
  const taking = batch.moves.map((move): Taking => ({
    move,
    outputs: [],
    end: move.to,
    isFull: false,
    position: -1,
    index: 0,
    ordinals: [],
  }));
  const cursor = batch.outputs();
  while (cursor.next()) {
    const task = taking[cursor.task];
    if (task === undefined) throw new Error(`an output of task ${String(cursor.task)}, which does not move (S5)`);
    if (!task.isFull) take(task, cursor, most);
  }
  return new Map(taking.map(({ move, outputs, end }) => [move.task, { move, outputs, end }]));
}

function take(task: Taking, cursor: OutputCursor, most: number): void {
  const { position, sink } = cursor;
  if (position !== task.position) {
    if (task.outputs.length >= most) {
      task.isFull = true;
      task.end = asPosition(position);
      return;
    }
    task.position = position;
    task.index = 0;
    task.ordinals = [];
  }
  const ordinal = task.ordinals[sink] ?? 0;
  task.ordinals[sink] = ordinal + 1;
  task.outputs.push({
    sink,
    position: asPosition(position),
    ordinal,
    index: task.index++,
    timestamp_ms: cursor.timestamp_ms,
    key: copy(cursor.bytes, cursor.keyStart, cursor.keyEnd),
    value: copy(cursor.bytes, cursor.valueStart, cursor.valueEnd),
    headers: cursor.headers(),
  });
}

function copy(bytes: Buffer, start: number, end: number): Buffer | null {
  return end < 0 ? null : Buffer.from(bytes.subarray(start, end));
}
