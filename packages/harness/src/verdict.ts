// What was published against what had to be: how many outputs are missing, there again, or out of order.

/** An output that is due: what it must say, and its rank. Outputs of a higher rank come later; equal ones in any order. */
export interface Due {
  readonly text: string;
  readonly rank: number;
}

export interface Verdict {
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
}

/**
 * `lost`: due and not there. `duplicated`: there and not due, or not due again. `reordered`: after one that is due later.
 * An output that says something wrong counts as one lost and one duplicated.
 */
export function compare(due: readonly Due[], found: readonly string[]): Verdict {
  const left = new Map(due.map(({ text, rank }) => [text, rank]));
  let duplicated = 0;
  let reordered = 0;
  let highest = -Infinity;
  for (const text of found) {
    const rank = left.get(text);
    if (rank === undefined) {
      duplicated++;
      continue;
    }
    left.delete(text);
    if (rank < highest) reordered++;
    highest = Math.max(highest, rank);
  }
  return { lost: left.size, duplicated, reordered };
}
