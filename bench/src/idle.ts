// What a pair takes whose app has nothing to do.
import { cpuSeconds, memory_mb, until } from '@tandem/harness';
import { partitions, type Stack } from './stack.ts';

export interface IdleResult {
  /** Of the active and of the passive: share of one core, and resident memory. */
  readonly cpu_percent: readonly number[];
  readonly rss_mb: readonly number[];
}

const settle_ms = 10_000;

export async function measureIdle(stack: Stack, seconds: number): Promise<IdleResult> {
  for (const log of ['in', 'out']) await stack.logs.create(log, partitions);
  const pair = await stack.pair({
    apps: [{ module: 'apps/workloads/app.ts', export: 'w2', partitions, sources: { in: 'in' }, sinks: { out: 'out' } }],
  });
  for (const id of pair.ids) pair.start(id);
  const active = await pair.ready();
  await until({ limit_ms: settle_ms }, () => undefined);
  const ids = [active, ...pair.ids.filter((id) => id !== active)];
  const pids = ids.map((id) => pair.process(id)?.pid ?? 0);
  const used = (): Promise<number[]> => Promise.all(pids.map(async (pid) => (await cpuSeconds(pid)) ?? NaN));
  const before = await used();
  await until({ limit_ms: seconds * 1000 }, () => undefined);
  const after = await used();
  return {
    cpu_percent: after.map((cpu_s, index) => Math.round((1000 * (cpu_s - (before[index] ?? NaN))) / seconds) / 10),
    rss_mb: await Promise.all(pids.map(async (pid) => (await memory_mb(pid)) ?? NaN)),
  };
}
