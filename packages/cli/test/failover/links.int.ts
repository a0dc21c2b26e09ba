// The link between two living nodes is cut: nothing is lost, at most one early takeover, and no to and fro.
import { Gate, waitFor } from '@tandem/harness';
import { scenariosOn } from './support/scenario.ts';
import { onEachStack } from './support/stacks.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 400;

onEachStack((stack) => {
  const gates = new Map<string, Gate>();

  const scenario = scenariosOn(async () => {
    for (const id of ['a', 'b']) gates.set(id, await Gate.open());
    const stage = await Stage.open({
      stack,
      nodeSettings: (id, port) => {
        const way = gate(id);
        way.target = port;
        return { advertise: `http://127.0.0.1:${way.port.toString()}` };
      },
    });
    for (const way of gates.values()) stage.onClose(() => way.close());
    return stage;
  });

  function gate(id: string): Gate {
    const found = gates.get(id);
    if (found === undefined) throw new Error(`no gate to node ${id}`);
    return found;
  }

  scenario(
    'a link that goes silent changes nothing: the active goes on, the passive follows the log itself',
    async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 50 });
      const passive = stage.other(active);
      const epoch = await stage.epoch();
      for (const way of gates.values()) way.silence();
      await linkIs(stage, false, passive);
      // Longer than any session or interval between claims.
      await stage.moreOutputs(2000);
      expect(await stage.epoch()).toBe(epoch);
      expect((await stage.node(active)).role).toBe('active');
      expect((await stage.node(passive)).role).toBe('passive');
      for (const way of gates.values()) way.heal();
      await linkIs(stage, true, passive);
      await stage.expectWhole(active);
    },
  );

  scenario('while the link is silent a killed active is replaced all the same', async (stage) => {
    const active = await stage.underLoad({ rate_per_s, outputs: 50 });
    const passive = stage.other(active);
    for (const way of gates.values()) way.silence();
    await linkIs(stage, false, passive);
    await stage.moreOutputs(500);
    stage.pair.signal(active, 'SIGKILL');
    await stage.pair.waitActive({ not: active });
    await stage.moreOutputs(50);
    for (const way of gates.values()) way.heal();
    await stage.start(active);
    await stage.expectWhole(passive);
  });

  scenario('a network that refuses looks like a dead process: one takeover, and then peace', async (stage) => {
    const active = await stage.underLoad({ rate_per_s, outputs: 50 });
    const passive = stage.other(active);
    const epoch = await stage.epoch();
    for (const way of gates.values()) way.refuse();
    await stage.moreOutputs(3000);
    const now = await stage.epoch();
    expect(now - epoch).toBeLessThanOrEqual(1);
    for (const way of gates.values()) way.heal();
    expect(await stage.ready()).toBe(now === epoch ? active : passive);
    await stage.expectExact();
    const holder = await stage.ready();
    await linkIs(stage, true, stage.other(holder));
    await stage.expectTruth({ active: holder, passive: [stage.other(holder)] });
    expect(await stage.epoch()).toBe(now);
  });

  scenario(
    'a link that is cut and healed again and again moves the active at the pace of the rate limit at most',
    async (stage) => {
      await stage.ready();
      const epoch = await stage.epoch();
      stage.feed().start(rate_per_s);
      const rounds = 5;
      for (let round = 0; round < rounds; round++) {
        for (const way of gates.values()) way.refuse();
        await stage.moreOutputs(40);
        for (const way of gates.values()) way.heal();
        await stage.moreOutputs(100);
      }
      const active = await stage.ready();
      expect((await stage.epoch()) - epoch).toBeLessThanOrEqual(rounds);
      await stage.expectExact();
      await linkIs(stage, true, stage.other(active));
      await stage.expectTruth({ active, passive: [stage.other(active)] });
    },
  );
});

async function linkIs(stage: Stage, open: boolean, id: string): Promise<void> {
  await waitFor(`the link of ${id} is ${open ? 'open' : 'closed'}`, { limit_ms: 20_000 }, async () =>
    (await stage.node(id)).link.open === open ? true : undefined,
  );
}
