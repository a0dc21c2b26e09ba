// From the call that appends an input to the moment an independent reader has its output; and from publishing by the
// active to the passive's letting go.
import { summarise, until, type Summary } from '@tandem/harness';
import type { Stack } from './stack.ts';
import { SteadyRun, warmUp_s } from './steady-run.ts';
import { readTrimLag, trimLagBetween, type TrimLagResult } from './trim-lag.ts';

const rate_per_s = 1000;
const app = 'w2-keyed-count';

export async function measureLatency(
  stack: Stack,
  seconds: number,
): Promise<{
  readonly latency_ms: Summary;
  readonly trim_lag: TrimLagResult;
  readonly outputs: number;
  readonly lost: number;
  readonly duplicated: number;
}> {
  const latencies_ms: number[] = [];
  const run = await SteadyRun.start(stack, {
    rate_per_s,
    onLatency: (seq, latency_ms) => {
      if (seq >= warmUp_s * rate_per_s) latencies_ms.push(latency_ms);
    },
  });
  await until({ limit_ms: warmUp_s * 1000 }, () => undefined);
  const before = await readTrimLag(run.pair, app);
  await until({ limit_ms: seconds * 1000 }, () => undefined);
  const trim_lag = trimLagBetween(before, await readTrimLag(run.pair, app));
  const { lost, duplicated } = await run.finish();
  return { latency_ms: summarise(latencies_ms), trim_lag, outputs: latencies_ms.length, lost, duplicated };
}
