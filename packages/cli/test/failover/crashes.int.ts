// kill -9 of real nodes under load, at every moment that hurts: whatever dies when, the published sequence is the one.
import { scenariosOn } from './support/scenario.ts';
import { onEachStack } from './support/stacks.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 400;

onEachStack((stack) => {
  const scenario = scenariosOn(() => Stage.open({ stack }));

  scenario(
    'the active is killed again and again, and each time the other one goes on with the next output',
    async (stage) => {
      stage.feed().start(rate_per_s);
      for (let round = 0; round < 4; round++) {
        const active = await stage.ready();
        const epoch = await stage.epoch();
        await stage.moreOutputs(100);
        await stage.kill(active);
        const successor = await stage.pair.waitActive({ not: active });
        expect(successor).toBe(stage.other(active));
        expect(await stage.epoch()).toBe(epoch + 1);
        await stage.moreOutputs(100);
        stage.pair.start(active);
      }
      const active = await stage.ready();
      await stage.expectWhole(active);
    },
  );

  scenario('a passive that was killed and started again is promoted next', async (stage) => {
    const active = await stage.underLoad({ rate_per_s, outputs: 50 });
    const passive = stage.other(active);
    await stage.kill(passive);
    await stage.moreOutputs(200);
    await stage.expectTruth({ active });
    await stage.start(passive);
    await stage.kill(active);
    await stage.pair.waitActive({ not: active });
    await stage.moreOutputs(100);
    await stage.start(active);
    await stage.expectWhole(passive);
  });

  describe.each([0, 5, 20, 60])('the successor is killed %i ms after the active', (delay_ms) => {
    scenario('both started again go on with the next output', async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 100 });
      stage.pair.signal(active, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, delay_ms));
      await stage.kill(active, stage.other(active));
      await stage.start();
      await stage.moreOutputs(50);
      await stage.expectWhole();
    });
  });

  scenario('both are killed and only one comes back: it goes on alone, and the other joins later', async (stage) => {
    const active = await stage.underLoad({ rate_per_s, outputs: 100 });
    const passive = stage.other(active);
    await stage.kill(active, passive);
    await stage.start(passive);
    await stage.moreOutputs(100);
    await stage.expectWhole(passive, { passive: [] });
    await stage.start(active);
    await stage.expectTruth({ active: passive, passive: [active] });
  });
});
