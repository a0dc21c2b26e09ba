// kill -9 of real nodes under load, at every moment that hurts: whatever dies when, the published sequence is the one.
import { scenario } from './support/scenario.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 400;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.start();
}, 60_000);

afterAll(async () => {
  await stage.close();
}, 60_000);

/** kill -9; resolves when the process is gone. */
async function kill(...ids: readonly string[]): Promise<void> {
  for (const id of ids) stage.pair.signal(id, 'SIGKILL');
  for (const id of ids) await stage.pair.process(id)?.exited;
}

scenario(
  'the active is killed again and again, and each time the other one goes on with the next output',
  () => stage,
  async () => {
    stage.feed().start(rate_per_s);
    for (let round = 0; round < 4; round++) {
      const active = await stage.ready();
      const epoch = await stage.epoch();
      await stage.moreOutputs(100);
      await kill(active);
      const successor = await stage.pair.waitActive({ not: active });
      expect(successor).toBe(stage.other(active));
      expect(await stage.epoch()).toBe(epoch + 1);
      await stage.moreOutputs(100);
      stage.pair.start(active);
    }
    const active = await stage.ready();
    await stage.expectExact();
    await stage.expectTruth({ active, passive: [stage.other(active)] });
  },
);

scenario(
  'a passive that was killed and started again is promoted next',
  () => stage,
  async () => {
    const active = await stage.ready();
    const passive = stage.other(active);
    stage.feed().start(rate_per_s);
    await stage.moreOutputs(50);
    await kill(passive);
    await stage.moreOutputs(200);
    await stage.expectTruth({ active });
    await stage.start(passive);
    await kill(active);
    await stage.pair.waitActive({ not: active });
    await stage.moreOutputs(100);
    await stage.start(active);
    await stage.expectExact();
    await stage.expectTruth({ active: passive, passive: [active] });
  },
);

describe.each([0, 5, 20, 60])('the successor is killed %i ms after the active', (delay_ms) => {
  scenario(
    'both started again go on with the next output',
    () => stage,
    async () => {
      const active = await stage.ready();
      stage.feed().start(rate_per_s);
      await stage.moreOutputs(100);
      stage.pair.signal(active, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, delay_ms));
      await kill(active, stage.other(active));
      await stage.start();
      await stage.moreOutputs(50);
      await stage.expectExact();
      const now = await stage.ready();
      await stage.expectTruth({ active: now, passive: [stage.other(now)] });
    },
  );
});

scenario(
  'both are killed and only one comes back: it goes on alone, and the other joins later',
  () => stage,
  async () => {
    const active = await stage.ready();
    const passive = stage.other(active);
    stage.feed().start(rate_per_s);
    await stage.moreOutputs(100);
    await kill(active, passive);
    await stage.start(passive);
    await stage.moreOutputs(100);
    await stage.expectExact();
    await stage.expectTruth({ active: passive });
    await stage.start(active);
    await stage.expectTruth({ active: passive, passive: [active] });
  },
);
