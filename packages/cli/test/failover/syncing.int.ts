// kill -9 while state is on its way: a large snapshot being stored, or being fetched by the passive.
import { waitFor } from '@tandem/harness';
import { scenariosOn } from './support/scenario.ts';
import { onEachStack } from './support/stacks.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 300;
const state_bytes = 24 * 1024 * 1024;

async function isRestoring(stage: Stage, id: string): Promise<void> {
  await waitFor(`${id} is fetching its state`, { limit_ms: 60_000, pause_ms: 2 }, async () => {
    const app = await stage.pair.get<{ condition: string }>(id, '/v1/apps/tally');
    if (app?.condition === 'in-sync') throw new Error(`${id} had its state before anybody saw it come`);
    return app?.condition === 'restoring' ? true : undefined;
  });
}

/** Until so much of a revision is with the server, and not all of it. */
async function isStoring(stage: Stage, stored_mib: number): Promise<void> {
  await waitFor(
    `${stored_mib.toString()} MiB of a revision are stored`,
    { limit_ms: 20_000, pause_ms: 1 },
    async () => {
      const underWay = await stage.query(
        `SELECT 1 FROM pg_stat_progress_copy WHERE datname = current_database() AND command = 'COPY FROM'
       AND bytes_processed >= $1`,
        [stored_mib * 1024 * 1024],
      );
      return underWay.length > 0 ? true : undefined;
    },
  );
}

onEachStack((stack) => {
  const settings = { persistence: { interval: '10s' }, stateSync: { retry: '1s' } };
  const scenario = scenariosOn(() => Stage.open({ stack, settings }), {
    prepare: async (stage) => {
      await stage.feed().appendBulk(state_bytes);
      await stage.expectExact();
      await stage.pair.post(await stage.ready(), '/v1/apps/tally/revisions');
    },
    limit_ms: 120_000,
  });

  describe.each([1, 8])('the active is killed when %i MiB of a revision are stored', (stored_mib) => {
    scenario('the passive goes on, and both restarted go on from a revision that is whole', async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 50 });
      const stored = stage.pair.post(active, '/v1/apps/tally/revisions').then(
        () => 'stored',
        () => 'killed',
      );
      await isStoring(stage, stored_mib);
      await stage.kill(active);
      expect(await stored).toBe('killed');
      await stage.pair.waitActive({ not: active });
      await stage.moreOutputs(50);
      await stage.kill(stage.other(active));
      await stage.start();
      await stage.moreOutputs(50);
      await stage.expectWhole();
    });
  });

  describe.each([0, 200])('the active is killed %i ms after the passive began to fetch its state', (delay_ms) => {
    scenario('the passive takes its state from the store and goes on', async (stage) => {
      const active = await stage.ready();
      const passive = stage.other(active);
      await stage.pair.post(active, '/v1/apps/tally/revisions');
      stage.feed().start(rate_per_s);
      await stage.kill(passive);
      await stage.moreOutputs(50);
      stage.pair.start(passive);
      await isRestoring(stage, passive);
      await new Promise((resolve) => setTimeout(resolve, delay_ms));
      await stage.kill(active);
      await stage.pair.waitActive({ not: active });
      await stage.moreOutputs(50);
      await stage.start(active);
      await stage.expectWhole(passive);
    });
  });

  scenario(
    'a passive killed while it fetches its state disturbs nobody, and fetches it again when it is back',
    async (stage) => {
      const active = await stage.ready();
      const passive = stage.other(active);
      const epoch = await stage.epoch();
      stage.feed().start(rate_per_s);
      for (let round = 0; round < 2; round++) {
        await stage.kill(passive);
        stage.pair.start(passive);
        await isRestoring(stage, passive);
      }
      await stage.kill(passive);
      await stage.moreOutputs(50);
      await stage.start(passive);
      await stage.expectWhole(active);
      expect(await stage.epoch()).toBe(epoch);
      await stage.kill(active);
      await stage.pair.waitActive({ not: active });
      await stage.start(active);
      await stage.expectExact();
    },
  );
});
