// From the call that appends an input to the moment an independent reader has its output.
import { summarise, until, type Summary } from '@tandem/harness';
import type { Stack } from './stack.ts';
import { SteadyRun, warmUp_s } from './steady-run.ts';

const rate_per_s = 1000;

export async function measureLatency(
  stack: Stack,
  seconds: number,
): Promise<{
  readonly latency_ms: Summary;
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
  await until({ limit_ms: (warmUp_s + seconds) * 1000 }, () => undefined);
  const { lost, duplicated } = await run.finish();
  return { latency_ms: summarise(latencies_ms), outputs: latencies_ms.length, lost, duplicated };
}
