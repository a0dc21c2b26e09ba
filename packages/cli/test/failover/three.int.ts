// A pair with a third node: the second successor takes over where the first one was killed in the midst of it.
import { waitFor } from '@tandem/harness';
import { scenariosOn } from './support/scenario.ts';
import { onEachStack } from './support/stacks.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 300;

/** The node whose claim the coordinator has taken, before it can have done much with it. */
async function claimant(stage: Stage, after: number): Promise<string> {
  return await waitFor('the next epoch is claimed', { limit_ms: 20_000, pause_ms: 1 }, async () => {
    const { epoch, node } = await stage.holder();
    return epoch > after ? node : undefined;
  });
}

onEachStack((stack) => {
  const scenario = scenariosOn(() => Stage.open({ stack, nodes: ['a', 'b', 'c'] }));

  scenario(
    'the active is killed, and whoever claims next is killed in its promotion: the third one goes on',
    async (stage) => {
      for (let round = 0; round < 3; round++) {
        const active = await stage.underLoad({ rate_per_s, outputs: 50 });
        const epoch = await stage.epoch();
        await stage.kill(active);
        const second = await claimant(stage, epoch);
        expect(second).not.toBe(active);
        await stage.kill(second);
        const third = stage.pair.ids.find((id) => id !== active && id !== second) ?? '';
        expect(await stage.ready()).toBe(third);
        await stage.moreOutputs(50);
        expect(await stage.epoch()).toBe(epoch + 2);
        await stage.start();
        await stage.expectWhole(third);
      }
    },
  );
});
