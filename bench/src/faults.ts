// failover and switchover: how long outputs stay away, and whether any is lost, doubled or wrong.
import { summarise, until, type Summary } from '@tandem/harness';
import { describePhases, phasesOf } from './phases.ts';
import type { Stack } from './stack.ts';
import { SteadyRun, warmUp_s } from './steady-run.ts';

export interface FaultResult {
  readonly gap_ms: Summary;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
}

export type Fault = 'KILL' | 'STOP' | 'switchover';

const rate_per_s = 1000;

function pause(least_ms: number, most_ms: number): Promise<undefined> {
  return until({ limit_ms: least_ms + Math.random() * (most_ms - least_ms) }, () => undefined);
}

export async function measureFaults(stack: Stack, fault: Fault, times: number): Promise<FaultResult> {
  const run = await SteadyRun.start(stack, { rate_per_s });
  await pause(warmUp_s * 1000, warmUp_s * 1000);
  const faults_ms: number[] = [];
  for (let round = 1; round <= times; round++) {
    const active = await run.pair.ready();
    await pause(500, 2000);
    const at_ms = performance.now();
    const at_wall_ms = Date.now();
    faults_ms.push(at_ms);
    const successor = await inflict(run, fault, active);
    await run.outputAfter(at_ms);
    const phases = describePhases(await phasesOf(run.pair.logFile(successor), at_wall_ms));
    const gap_ms = run.clock.longestGap_ms(at_ms, Infinity)?.toFixed(1) ?? '?';
    stack.progress(
      `${fault} ${round.toString()} of ${times.toString()}: ${active} -> ${successor}, ${gap_ms} ms${phases}`,
    );
  }
  await run.pair.ready();
  await pause(1000, 1000);
  const end_ms = performance.now();
  const verdict = await run.finish();
  const gaps_ms = faults_ms.map(
    (at_ms, index) => run.clock.longestGap_ms(at_ms, faults_ms[index + 1] ?? end_ms) ?? NaN,
  );
  return { gap_ms: summarise(gaps_ms), ...verdict };
}

/** @returns the node that is active afterwards. */
async function inflict(run: SteadyRun, fault: Fault, active: string): Promise<string> {
  const { pair } = run;
  switch (fault) {
    case 'KILL': {
      pair.signal(active, 'SIGKILL');
      // Outputs tell that it is over: asking the successor would take time from it.
      await run.outputAfter(performance.now() + 1);
      const successor = await pair.waitActive({ not: active });
      pair.start(active);
      return successor;
    }
    case 'STOP': {
      pair.signal(active, 'SIGSTOP');
      const successor = await pair.waitActive({ not: active });
      await pause(500, 2000);
      pair.signal(active, 'SIGCONT');
      return successor;
    }
    case 'switchover':
      await pair.post(active, '/v1/pair/switchover');
      return await pair.waitActive({ not: active });
  }
}
