// A sink that takes nothing: queues fill up to their limit, inputs pause, and later everything comes once and in order.
// On PostgreSQL alone: a topic takes outputs unless its broker is away, and then there are no inputs either
// (kafka-faults.int.ts).
import { waitFor } from '@tandem/harness';
import { blockSink } from './support/blocked-sink.ts';
import { scenariosOn } from './support/scenario.ts';
import { Stage } from './support/stage.ts';
import { outputLog, type StagedApp } from './support/staged-apps.ts';

/** More than fits into a queue of 1 MiB. */
const inputs = 40_000;
const limit_bytes = 1024 * 1024;

const apps: readonly StagedApp[] = [{ name: 'tally', input: 'in', settings: { queue: { limit: '1MiB' } } }];

interface AppReport {
  readonly tasks: readonly { readonly paused: boolean; readonly queued_bytes: number; readonly position: string }[];
}

const block = (stage: Stage) => blockSink(stage, outputLog('tally', 'counts'), outputLog('tally', 'bursts'));

async function append(stage: Stage, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 2000) await stage.feed().append(Math.min(left, 2000));
}

async function isPaused(stage: Stage, id: string): Promise<void> {
  const report = await waitFor(`${id} has paused its input`, { limit_ms: 30_000 }, async () => {
    const app = await stage.pair.get<AppReport>(id, '/v1/apps/tally');
    return app?.tasks.some(({ paused }) => paused) === true ? app : undefined;
  });
  const queued_bytes = report.tasks.reduce((sum, task) => sum + task.queued_bytes, 0);
  // One input may pass the limit.
  expect(queued_bytes).toBeLessThan(limit_bytes + 4096);
}

const scenario = scenariosOn(() => Stage.open({ apps }));

scenario(
  'both nodes fill their queues to the limit and pause; released, every output comes once and in order',
  async (stage) => {
    const active = await stage.ready();
    const passive = stage.other(active);
    const before = await stage.logEnd(outputLog('tally', 'counts'));
    const release = await block(stage);
    try {
      await append(stage, inputs);
      await isPaused(stage, active);
      await isPaused(stage, passive);
      expect(await stage.logEnd(outputLog('tally', 'counts'))).toBe(before);
    } finally {
      await release();
    }
    await stage.expectWhole(active);
  },
);

scenario(
  'an active killed while the sink is blocked is replaced, and nothing is lost or doubled when it is released',
  async (stage) => {
    const active = await stage.ready();
    const passive = stage.other(active);
    const epoch = await stage.epoch();
    const release = await block(stage);
    try {
      await append(stage, inputs);
      await isPaused(stage, active);
      await isPaused(stage, passive);
      stage.pair.signal(active, 'SIGKILL');
      await waitFor('the passive claims', { limit_ms: 20_000 }, async () =>
        (await stage.epoch()) > epoch ? true : undefined,
      );
      expect(['promoting', 'active']).toContain((await stage.node(passive)).role);
    } finally {
      await release();
    }
    await stage.start();
    await stage.expectWhole(passive);
  },
);

scenario('both killed while the sink is blocked go on from where the sink is', async (stage) => {
  const active = await stage.ready();
  const passive = stage.other(active);
  const release = await block(stage);
  try {
    await append(stage, inputs);
    await isPaused(stage, active);
    await stage.kill(active, passive);
    stage.pair.start(passive);
    await isPaused(stage, passive);
  } finally {
    await release();
  }
  await stage.start();
  await stage.expectWhole(passive);
});
