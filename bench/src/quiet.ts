// Full load beside a process that keeps one core busy: nobody may lose the active role for that.
import { until } from '@tandem/harness';
import { spawn, spawnSync } from 'node:child_process';
import type { Stack } from './stack.ts';
import { SteadyRun } from './steady-run.ts';

export interface QuietResult {
  readonly minutes: number;
  readonly role_changes: number;
  readonly inputs: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
}

export async function measureQuiet(stack: Stack, minutes: number, rate_per_s: number): Promise<QuietResult> {
  const run = await SteadyRun.start(stack, { rate_per_s });
  await run.pair.ready();
  stopWith(stack, startBusyLoop());
  const end_ms = performance.now() + minutes * 60_000;
  let changes = 0;
  let before = await roles(run);
  let saidAt_ms = performance.now();
  while (performance.now() < end_ms) {
    await until({ limit_ms: 200 }, () => undefined);
    const now = await roles(run);
    // A node too busy to answer in time has not changed its role.
    for (const [id, role] of now) {
      if (before.get(id) !== role) {
        changes++;
        stack.progress(`${id}: ${before.get(id) ?? 'unknown'} -> ${role}`);
      }
    }
    before = new Map([...before, ...now]);
    if (performance.now() - saidAt_ms > 30_000) {
      saidAt_ms = performance.now();
      const left_s = Math.round((end_ms - saidAt_ms) / 1000);
      stack.progress(
        `${left_s.toString()} s to go, ${run.check.answered.toString()} outputs, ${changes.toString()} role changes`,
      );
    }
  }
  const verdict = await run.finish();
  return { minutes, role_changes: changes, inputs: run.check.inputs, ...verdict };
}

/** Role and epoch of each node that answers, as one text. */
async function roles(run: SteadyRun): Promise<Map<string, string>> {
  const views = await run.pair.views();
  return new Map(
    views
      .filter((view) => view.role !== undefined || !view.alive)
      .map((view) => [view.id, `${view.role ?? 'dead'} epoch ${String(view.epoch ?? '-')}`]),
  );
}

/** On one core where taskset is there to say so. */
function startBusyLoop(): number {
  const loop = [
    '-e',
    'process.stdin.on("end", () => process.exit()).resume(); (function spin() { const end = Date.now() + 200; while (Date.now() < end); setImmediate(spin); })()',
  ];
  const pinned = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0;
  const program = pinned ? 'taskset' : process.execPath;
  const args = pinned ? ['-c', '0', process.execPath, ...loop] : loop;
  // Its input closes with this process, and that ends it.
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  if (child.pid === undefined) throw new Error('the busy loop did not start');
  return child.pid;
}

function stopWith(stack: Stack, pid: number): void {
  stack.onClose(() => {
    process.kill(pid, 'SIGKILL');
    return Promise.resolve();
  });
}
