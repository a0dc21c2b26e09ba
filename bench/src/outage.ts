// A server killed and started again under a steady load: how long outputs stay away meanwhile, and afterwards.
import { until, waitFor } from '@tandem/harness';
import type { Stack } from './stack.ts';
import { SteadyRun } from './steady-run.ts';

/** `postgres`: the store of revisions. */
export const outages = ['zookeeper', 'kafka', 'postgres'] as const;
export type Outage = (typeof outages)[number];

export interface OutageResult {
  /** Longest time between two outputs, from the kill until the pair has been ready again for a while. */
  readonly gap_ms: number;
  /** From the moment that the server answers again to the first output after it. */
  readonly recovery_ms: number;
  readonly role_changes: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
}

const rate_per_s = 1000;
/** Whatever the return of the server causes has happened by then. */
const aftermath_ms = 5000;

export async function measureOutage(stack: Stack, outage: Outage, seconds: number): Promise<OutageResult> {
  const server = stack.server(outage);
  // Often enough that several revisions cannot be stored.
  const settings = outage === 'postgres' ? { persistence: { interval: '5s' } } : {};
  const run = await SteadyRun.start(stack, { rate_per_s, settings });
  const active = await run.pair.ready();
  await until({ limit_ms: 2000 }, () => undefined);
  const epoch = await epochOf(run, active);
  const at_ms = performance.now();
  await server.kill();
  stack.progress(`${outage} is gone for ${seconds.toString()} s`);
  await until({ limit_ms: seconds * 1000 }, () => undefined);
  await server.start();
  const back_ms = performance.now();
  await run.outputAfter(back_ms);
  const recovery_ms = (run.clock.firstAfter_ms(back_ms) ?? NaN) - back_ms;
  const now = await run.pair.ready();
  await until({ limit_ms: aftermath_ms }, () => undefined);
  const gap_ms = run.clock.longestGap_ms(at_ms, performance.now()) ?? NaN;
  // The active claims anew where its session ran out: that is no change of roles.
  stack.progress(`epoch ${epoch.toString()} before, ${(await epochOf(run, now)).toString()} after`);
  return {
    gap_ms: Math.round(gap_ms),
    recovery_ms: Math.round(recovery_ms),
    role_changes: now === active ? 0 : 1,
    ...(await run.finish()),
  };
}

async function epochOf({ pair }: SteadyRun, id: string): Promise<number> {
  return await waitFor(`${id} tells its epoch`, { limit_ms: 10_000 }, async () => {
    const report = await pair.get<{ readonly epoch: number | null }>(id, '/v1/node');
    return report?.epoch ?? undefined;
  });
}
