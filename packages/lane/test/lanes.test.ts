// Lanes that share an app, lanes that cannot connect at once, and what logs are told to let go of.
import { TandemError } from '@tandem/ports';
import { runningOutputs } from './support/apps.ts';
import type { World } from './support/memory-lane.ts';
import { genesis, upTo, worldsOfThisFile } from './support/worlds.ts';

const world = worldsOfThisFile();

describe('two lanes of an app', () => {
  const partitions = 4;
  const keyOf = (partition: number): string => `k${partition}`;
  const beginning = Object.fromEntries(Array.from({ length: partitions }, (_, index) => [`in/${index}`, '0']));

  function feedAll(made: World, to: number, from = 0): void {
    for (let partition = 0; partition < partitions; partition++) made.feed(partition, upTo(to, from), keyOf(partition));
  }

  function expectAll(made: World, count: number): void {
    for (let partition = 0; partition < partitions; partition++) {
      expect(made.written('out', keyOf(partition))).toEqual(runningOutputs(upTo(count)));
    }
  }

  it('have fences and positions of their own, and together publish everything once', async () => {
    const made = world({ partitions });
    feedAll(made, 40);
    const lanes = [0, 1].map((lane) => made.start({ lane, lanes: 2 }));
    for (const [number, lane] of lanes.entries()) {
      await lane.startAt();
      await lane.goLive(number + 1, beginning);
    }
    feedAll(made, 60, 40);
    for (const lane of lanes) await lane.publishedUpTo(120);
    expect(lanes.map((lane) => lane.published())).toEqual([
      { 'in/0': 60, 'in/2': 60 },
      { 'in/1': 60, 'in/3': 60 },
    ]);
    expectAll(made, 60);
  });

  it('go on elsewhere, each with its own tasks out of the one snapshot of both', async () => {
    const made = world({ partitions });
    const first = [0, 1].map((lane) => made.start({ lane, lanes: 2 }));
    for (const lane of first) {
      await lane.startAt();
      await lane.goLive(1, beginning);
    }
    feedAll(made, 50);
    const chunks = (await Promise.all(first.map((lane) => lane.snapshot()))).flat();
    for (const lane of first) lane.kill();
    feedAll(made, 80, 50);
    const second = [0, 1].map((lane) => made.start({ lane, lanes: 2 }));
    for (const lane of second) {
      await lane.restore(chunks.map((chunk) => chunk.slice(0)));
      await lane.goLive(2);
      await lane.publishedUpTo(160);
    }
    expectAll(made, 80);
  });

  it('with more lanes than partitions: one without tasks is in sync and goes live', async () => {
    const lane = world({ partitions: 1 }).start({ lane: 1, lanes: 2 });
    await lane.startAt();
    await lane.heard('lag', ({ inSync }) => inSync);
    await lane.goLive(1, beginning);
  });
});

describe('a lane that cannot connect', () => {
  const down = (what: string): TandemError => new TandemError('unreachable', `${what} cannot be reached`);

  it('tries again, says why meanwhile, and does then what it was asked', async () => {
    const made = world();
    made.connectErrors.push(down('the log'), down('the log'), down('the sink'), down('the log'));
    made.feed(0, upTo(10));
    const lane = made.start();
    lane.post({ type: 'start-at', run: 1, positions: genesis });
    lane.open(1, genesis);
    expect((await lane.heard('log')).message).toBe('the log cannot be reached');
    expect((await lane.status()).troubles).toEqual(['the log cannot be reached']);
    await lane.heard('verify-please');
    lane.verify(1);
    await lane.publishedUpTo(10);
    expect((await lane.status()).troubles).toEqual([]);
    expect(made.written('out')).toEqual(runningOutputs(upTo(10)));
  });

  it('fails at once where that is the user’s mistake', async () => {
    const made = world();
    made.connectErrors.push(new TandemError('no-log', "there is no log 'in': create it", { blame: 'user' }));
    expect(await made.start().heard('failed')).toMatchObject({ code: 'source', blame: 'user' });
  });

  it('does not open any more after a step-down that came meanwhile', async () => {
    const made = world();
    made.connectErrors.push(down('the log'));
    const lane = made.start();
    lane.post({ type: 'start-at', run: 1, positions: genesis });
    lane.open(1, genesis);
    await lane.stepDown();
    await lane.heard('restored');
    await lane.caughtUp();
    expect(made.system('memory').holds.calls).not.toContain('open');
  });

  it('can be closed', async () => {
    const made = world();
    made.connectErrors.push(...Array.from({ length: 100 }, () => down('the log')));
    const lane = made.start();
    await lane.heard('log');
    await lane.close();
    expect(lane.all('closed')).toHaveLength(1);
  });
});

describe('what no revision needs any more', () => {
  it('is released in the logs of the lane’s own tasks, and only there', async () => {
    const made = world({ partitions: 3 });
    for (const partition of upTo(3)) made.feed(partition, upTo(20));
    const lane = made.start({ lane: 0, lanes: 2 });
    await lane.startAt();
    await lane.caughtUp();
    lane.post({ type: 'release', positions: { 'in/0': '7', 'in/1': '8' } });
    lane.post({ type: 'release', positions: { 'in/2': '9' } });
    while (made.input.released.size < 2) await new Promise(setImmediate);
    expect(Object.fromEntries(made.input.released)).toEqual({ 'test/running 0': 7, 'test/running 2': 9 });
  });
});
