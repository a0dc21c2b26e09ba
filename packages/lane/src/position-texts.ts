// Positions as they stand in messages: decimal text by task.
import { positionFromText, type Position, type Positions, type TaskId } from '@tandem/pair';
import type { PositionTexts } from './messages.ts';

/** Positions of a message; those of other lanes' tasks do no harm. @throws RangeError. */
export function positionsFromTexts(texts: PositionTexts): Positions {
  return new Map(Object.entries(texts).map(([task, text]) => [task, positionFromText(text)]));
}

export function positionTexts(positions: Iterable<readonly [TaskId, Position]>): PositionTexts {
  return Object.fromEntries(Array.from(positions, ([task, position]) => [task, String(position)]));
}
