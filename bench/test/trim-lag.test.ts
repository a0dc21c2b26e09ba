// Percentiles out of two readings of a histogram.
import { trimLagBounds_ms } from '@tandem/lane';
import { trimLagBetween } from '../src/trim-lag.ts';

function counts(by: Readonly<Record<number, number>>, above = 0): number[] {
  return [...trimLagBounds_ms.map((bound_ms) => by[bound_ms] ?? 0), above];
}

it('tells bounds of percentiles of what came between them', () => {
  const before = { counts: counts({ 1: 50, 1000: 40 }), sum_ms: 40_000 };
  const after = { counts: counts({ 1: 50, 2: 60, 10: 39, 20: 1, 1000: 40 }), sum_ms: 40_520 };
  expect(trimLagBetween(before, after)).toEqual({ trims: 100, mean_ms: 5.2, p50_at_most_ms: 2, p99_at_most_ms: 10 });
});

it('has no bound for what lies above them all', () => {
  const before = { counts: counts({}), sum_ms: 0 };
  const after = { counts: counts({ 5: 97 }, 3), sum_ms: 30_000 };
  expect(trimLagBetween(before, after)).toMatchObject({ p50_at_most_ms: 5, p99_at_most_ms: null });
});
