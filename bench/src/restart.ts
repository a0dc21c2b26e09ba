// From the start of a node's process, alone and with a small state, to its first output.
import { summarise, until, type Summary } from '@tandem/harness';
import type { Stack } from './stack.ts';
import { SteadyRun } from './steady-run.ts';

const rate_per_s = 1000;
/** What was published last has reached the reader by then. */
const calm_ms = 300;

export async function measureRestart(
  stack: Stack,
  times: number,
): Promise<{
  readonly start_ms: Summary;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
}> {
  const run = await SteadyRun.start(stack, { rate_per_s, nodes: ['a'] });
  const starts_ms: number[] = [];
  for (let round = 1; round <= times; round++) {
    await until({ limit_ms: 1000 }, () => undefined);
    await run.pair.process('a')?.stop();
    await until({ limit_ms: calm_ms }, () => undefined);
    const at_ms = performance.now();
    run.pair.start('a');
    await run.outputAfter(at_ms);
    const start_ms = (run.clock.firstAfter_ms(at_ms) ?? NaN) - at_ms;
    starts_ms.push(start_ms);
    stack.progress(`start ${round.toString()} of ${times.toString()}: ${start_ms.toFixed(0)} ms`);
  }
  return { start_ms: summarise(starts_ms), ...(await run.finish()) };
}
