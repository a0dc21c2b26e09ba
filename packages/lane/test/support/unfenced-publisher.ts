// A publisher as for a sink without fence and transactions: it is told of authority, and publishes a batch in parts.
import type { Epoch, Position, Positions, TaskId } from '@tandem/pair';
import type { OpenOutcome, OutputBatch, Publisher, PublishOutcome, ReadBack, SinkLayout } from '@tandem/ports';
import type { Holds } from './held-publisher.ts';

/** Inputs of each task that are published at a time. */
const part_inputs = 7;

export class UnfencedPublisher implements Publisher {
  readonly #inner: Publisher;
  readonly #holds: Holds;

  constructor(inner: Publisher, holds: Holds) {
    this.#inner = inner;
    this.#holds = holds;
  }

  authorityUntil(until_ms: number): void {
    this.#holds.calls.push(`authority ${String(until_ms)}`);
  }

  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    const part = firstInputs(batch);
    const outcome = await this.#inner.publish(part);
    if (outcome.outcome !== 'published') return outcome;
    const positions = new Map(part.moves.map(({ task, to }): [TaskId, Position] => [task, to]));
    return { outcome: 'published', part: { positions, outputs: part.count } };
  }

  layout(): Promise<readonly SinkLayout[]> {
    return this.#inner.layout();
  }

  prepare(): Promise<void> {
    return this.#inner.prepare();
  }

  open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    return this.#inner.open(epoch, initialise);
  }

  readBack(): Promise<ReadBack> {
    return this.#inner.readBack();
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    return this.#inner.follow(onPositions);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

function firstInputs(batch: OutputBatch): OutputBatch {
  const moves = batch.moves.map((move) => ({ ...move, to: Math.min(move.to, move.from + part_inputs) as Position }));
  const outputs: OutputBatch['outputs'] = () => {
    const cursor = batch.outputs();
    const next = cursor.next.bind(cursor);
    cursor.next = () => {
      while (next()) if (cursor.position < (moves[cursor.task]?.to ?? 0)) return true;
      // The cursor is used again for the next batch.
      cursor.next = next;
      return false;
    };
    return cursor;
  };
  let count = 0;
  for (const cursor = outputs(); cursor.next();) count++;
  return { moves, count, size_bytes: batch.size_bytes, outputs };
}
