// Kafka and ZooKeeper go away under load, and come back, with both nodes up: what is published is the one sequence, and
// the nodes tell the truth about it all the while.
import { waitFor } from '@tandem/harness';
import { describeWithStack } from '@tandem/stack';
import { scenariosOn } from './support/scenario.ts';
import { startServers, type Servers } from './support/servers.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 400;

describeWithStack('on one broker', () => {
  let servers: Servers;

  const scenario = scenariosOn(
    async () => {
      servers = await startServers();
      const stage = await Stage.open({ stack: 'kafka', servers });
      stage.serverGoesAway = true;
      stage.afterClose(() => servers.stop());
      return stage;
    },
    { limit_ms: 90_000 },
  );

  scenario(
    'the broker is killed in the middle of transactions and started again: both nodes pause, say so, and go on',
    async (stage) => {
      const [broker] = servers.kafka.brokers;
      if (broker === undefined) throw new Error('no broker');
      for (let round = 0; round < 3; round++) {
        const active = await stage.underLoad({ rate_per_s, outputs: 100 });
        const passive = stage.other(active);
        const epoch = await stage.epoch();
        await broker.kill();
        for (const id of [active, passive]) await hasTrouble(stage, id);
        await broker.start();
        await stage.ready(60_000);
        await stage.moreOutputs(200, 'tally', 60_000);
        await stage.expectExact();
        await stage.expectTruth({ active, passive: [passive] });
        // Nobody was promoted for it, and no lane had to begin anew.
        expect(await stage.epoch()).toBe(epoch);
        for (const id of [active, passive]) expect((await stage.app(id, 'tally')).restarts).toBe(0);
      }
    },
    240_000,
  );

  scenario(
    'the active is killed while the broker is away: the other one goes on when it is back',
    async (stage) => {
      const [broker] = servers.kafka.brokers;
      if (broker === undefined) throw new Error('no broker');
      const active = await stage.underLoad({ rate_per_s, outputs: 100 });
      const passive = stage.other(active);
      await broker.kill();
      await hasTrouble(stage, passive);
      await stage.kill(active);
      await waitFor(`${passive} has claimed`, { limit_ms: 30_000 }, async () =>
        (await stage.holder()).node === passive ? true : undefined,
      );
      await broker.start();
      await stage.pair.waitActive({ not: active, limit_ms: 60_000 });
      await stage.moreOutputs(100, 'tally', 60_000);
      await stage.start(active);
      await stage.expectWhole(passive);
    },
    150_000,
  );

  scenario(
    'ZooKeeper is killed for seconds: the active publishes all the while, both say degraded, and then a takeover works',
    async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 100 });
      const passive = stage.other(active);
      const epoch = await stage.epoch();
      await servers.keeper.kill();
      for (const id of [active, passive]) await stage.isDegraded(id);
      // Several session time-outs: one of them would be the end of unfenced authority (S11).
      for (let second = 0; second < 6; second++) {
        await stage.moreOutputs(rate_per_s);
        expect((await stage.node(active)).role).toBe('active');
        expect((await stage.node(passive)).role).toBe('passive');
      }
      expect(await stage.pair.status(active, '/readyz')).toBe(503);
      await servers.keeper.start();
      expect(await stage.ready(60_000)).toBe(active);
      // Where its session was over it has claimed again, and nobody else has.
      const now = await stage.epoch();
      expect(now - epoch).toBeLessThanOrEqual(1);
      await stage.moreOutputs(100);
      await stage.kill(active);
      await stage.pair.waitActive({ not: active });
      expect(await stage.epoch()).toBe(now + 1);
      await stage.moreOutputs(100);
      await stage.start(active);
      await stage.expectWhole(passive);
    },
    150_000,
  );
});

async function hasTrouble(stage: Stage, id: string): Promise<void> {
  await waitFor(`${id} says what is the matter`, { limit_ms: 30_000 }, async () =>
    (await stage.node(id)).troubles.length > 0 ? true : undefined,
  );
}
