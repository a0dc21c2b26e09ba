// Switchovers and orderly ends under load, and pairs that begin.
import { waitFor } from '@tandem/harness';
import { scenariosOn } from './support/scenario.ts';
import { onEachStack } from './support/stacks.ts';
import { Stage } from './support/stage.ts';

const rate_per_s = 400;

interface SwitchoverReport {
  readonly outcome: string;
  readonly detail: string;
}

onEachStack((stack) => {
  describe('a pair under load', () => {
    const scenario = scenariosOn(() => Stage.open({ stack }));

    scenario('hands over there and back, several times', async (stage) => {
      stage.feed().start(rate_per_s);
      for (let round = 0; round < 4; round++) {
        const active = await stage.ready();
        const epoch = await stage.epoch();
        await stage.moreOutputs(50);
        // From either node.
        const asked = round % 2 === 0 ? active : stage.other(active);
        const { outcome, detail } = await stage.pair.post<SwitchoverReport>(asked, '/v1/pair/switchover');
        expect({ outcome, detail }).toMatchObject({ outcome: 'done' });
        expect(await stage.ready()).toBe(stage.other(active));
        expect(await stage.epoch()).toBe(epoch + 1);
      }
      await stage.moreOutputs(50);
      await stage.expectExact();
      const active = await stage.ready();
      await stage.expectTruth({ active, passive: [stage.other(active)] });
    });

    scenario('an active that is asked to end hands over first and ends with code 0', async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 50 });
      const epoch = await stage.epoch();
      stage.pair.signal(active, 'SIGTERM');
      expect(await stage.pair.process(active)?.exited).toBe('exit code 0');
      expect(await stage.ready()).toBe(stage.other(active));
      expect(await stage.epoch()).toBe(epoch + 1);
      await stage.moreOutputs(50);
      await stage.start(active);
      await stage.expectWhole(stage.other(active));
    });

    scenario('a passive that is asked to end leaves the active in peace', async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 50 });
      const passive = stage.other(active);
      const epoch = await stage.epoch();
      stage.pair.signal(passive, 'SIGTERM');
      expect(await stage.pair.process(passive)?.exited).toBe('exit code 0');
      await stage.moreOutputs(50);
      await stage.expectWhole(active, { passive: [] });
      expect(await stage.epoch()).toBe(epoch);
    });

    scenario(
      'a node without a successor ends with code 0, and goes on where it was when it is started again',
      async (stage) => {
        const active = await stage.underLoad({ rate_per_s, outputs: 50 });
        await stage.kill(stage.other(active));
        stage.pair.signal(active, 'SIGTERM');
        expect(await stage.pair.process(active)?.exited).toBe('exit code 0');
        expect(await stage.pair.logTail(active, 10)).not.toContain('resigning was not confirmed');
        await stage.start();
        await stage.moreOutputs(50);
        await stage.expectWhole();
      },
    );

    scenario('a second signal ends the active at once, and the other takes over', async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 50 });
      const passive = stage.other(active);
      // A passive that does not answer keeps the active waiting for it.
      stage.pair.signal(passive, 'SIGSTOP');
      stage.pair.signal(active, 'SIGTERM');
      await waitFor('the first signal is seen', { limit_ms: 10_000 }, async () =>
        (await stage.pair.logTail(active, 5)).includes('once more to end at once') ? true : undefined,
      );
      stage.pair.signal(active, 'SIGTERM');
      expect(await stage.pair.process(active)?.exited).toBe('exit code 143');
      stage.pair.signal(passive, 'SIGCONT');
      await stage.pair.waitActive({ not: active });
      await stage.moreOutputs(50);
      await stage.start();
      await stage.expectWhole(passive);
    });
  });

  describe.each([1, 2, 3])('a pair that begins (%i)', () => {
    const scenario = scenariosOn(() => Stage.open({ stack }), { started: false });

    scenario('has exactly one active, in its first epoch, when both nodes start at once', async (stage) => {
      stage.feed().start(rate_per_s);
      const active = await stage.start();
      await stage.moreOutputs(100);
      expect(await stage.epoch()).toBe(1);
      await stage.expectWhole(active);
    });
  });
});
