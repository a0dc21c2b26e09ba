// How long after the active had published outputs the passive let go of them, as the passive's own histogram tells.
import { trimLagBounds_ms, type TrimLag } from '@tandem/lane';
import type { Pair } from '@tandem/harness';

export interface TrimLagResult {
  readonly trims: number;
  readonly mean_ms: number;
  /** Upper bound of the bucket that holds it; null: above all of them. */
  readonly p50_at_most_ms: number | null;
  readonly p99_at_most_ms: number | null;
}

/** Of the passive's lanes, all together, since they started. */
export async function readTrimLag(pair: Pair, app: string): Promise<TrimLag> {
  const views = await pair.views();
  const passive = views.find((view) => view.role === 'passive');
  const answer =
    passive === undefined
      ? undefined
      : await pair.get<{ metrics: readonly { trimLag: TrimLag }[] }>(passive.id, `/v1/apps/${app}`);
  if (answer === undefined) throw new Error('there is no passive that answers');
  const lags = answer.metrics.map(({ trimLag }) => trimLag);
  return {
    counts: Array.from({ length: trimLagBounds_ms.length + 1 }, (_, bucket) =>
      lags.reduce((sum, { counts }) => sum + (counts[bucket] ?? 0), 0),
    ),
    sum_ms: lags.reduce((sum, lag) => sum + lag.sum_ms, 0),
  };
}

/** What came between two readings. */
export function trimLagBetween(before: TrimLag, after: TrimLag): TrimLagResult {
  const counts = after.counts.map((count, bucket) => count - (before.counts[bucket] ?? 0));
  const trims = counts.reduce((sum, count) => sum + count, 0);
  const atMost_ms = (share: number): number | null => {
    let below = 0;
    const bucket = counts.findIndex((count) => (below += count) >= share * trims);
    return trimLagBounds_ms[bucket] ?? null;
  };
  return {
    trims,
    mean_ms: Math.round(((after.sum_ms - before.sum_ms) / trims) * 10) / 10,
    p50_at_most_ms: atMost_ms(0.5),
    p99_at_most_ms: atMost_ms(0.99),
  };
}
