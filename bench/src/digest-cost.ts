// What digests cost: W2 with and without them, turn by turn in one run, since machines differ and so do their hours.
import { percentile } from '@tandem/harness';
import type { Stack } from './stack.ts';
import { measureThroughput, type ThroughputResult } from './throughput.ts';

export interface DigestCostResult {
  readonly rounds: number;
  readonly digest_every: number;
  /** In the order of the rounds. */
  readonly inputs_per_s: { readonly without: readonly number[]; readonly with: readonly number[] };
  /** With digests for each of those without: the median of the rounds, and all rounds together. */
  readonly throughput_ratio: { readonly median: number; readonly total: number };
  readonly cpu_ratio: { readonly median: number; readonly total: number };
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
}

export interface DigestCostOptions {
  readonly rounds: number;
  readonly inputs: number;
  readonly digestEvery: number;
}

/** `fresh`: a stack of its own for each run. */
export async function measureDigestCost(
  fresh: () => Promise<Stack>,
  { rounds, inputs, digestEvery }: DigestCostOptions,
): Promise<DigestCostResult> {
  const without: ThroughputResult[] = [];
  const having: ThroughputResult[] = [];
  const run = async (every: number): Promise<void> => {
    const stack = await fresh();
    const options = { workload: 'W2', lanes: 1, pair: false, profile: false, inputs, digestEvery: every } as const;
    const result = await measureThroughput(stack, options);
    stack.progress(`digest.every ${every.toString()}: ${result.inputs_per_s.toString()} inputs/s`);
    (every === 0 ? without : having).push(result);
  };
  for (let round = 0; round < rounds; round++) {
    // Whoever comes second is never the same.
    for (const every of round % 2 === 0 ? [0, digestEvery] : [digestEvery, 0]) await run(every);
  }
  const all = [...without, ...having];
  const total = (of: (result: ThroughputResult) => number): number => all.reduce((sum, result) => sum + of(result), 0);
  return {
    rounds,
    digest_every: digestEvery,
    inputs_per_s: { without: without.map(rate), with: having.map(rate) },
    throughput_ratio: ratio(without, having, rate, (rates) => rates.length / sum(rates.map((one) => 1 / one))),
    cpu_ratio: ratio(without, having, (result) => result.cpu_s_per_million, sum),
    lost: total((result) => result.lost),
    duplicated: total((result) => result.duplicated),
    wrong: total((result) => result.wrong),
  };
}

function rate(result: ThroughputResult): number {
  return result.inputs_per_s;
}

function ratio(
  without: readonly ThroughputResult[],
  having: readonly ThroughputResult[],
  of: (result: ThroughputResult) => number,
  together: (values: readonly number[]) => number,
): { readonly median: number; readonly total: number } {
  const [before, after] = [without.map(of), having.map(of)];
  const each = Float64Array.from(after, (value, round) => value / (before[round] ?? NaN)).sort();
  return { median: thousandth(percentile(each, 0.5)), total: thousandth(together(after) / together(before)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function thousandth(value: number): number {
  return Math.round(value * 1000) / 1000;
}
