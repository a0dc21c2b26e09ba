// Publishers of sinks without a fence: nothing but time keeps two nodes apart there (S11).
import { forked, runningOutputs } from './support/apps.ts';
import { genesis, upTo, worldsOfThisFile } from './support/worlds.ts';

const world = worldsOfThisFile();

describe('a publisher at a sink without a fence', () => {
  it('is opened when the authority of whoever was active before is over, and no sooner', async () => {
    const made = world({ unfenced: true });
    const { holds } = made.system('memory');
    made.feed(0, upTo(20));
    const lane = made.start();
    await lane.startAt();
    const unfencedFrom_ms = made.clock.now_ms() + 150;
    lane.open(2, genesis, unfencedFrom_ms);
    await lane.heard('verify-please');
    expect(made.clock.now_ms()).toBeGreaterThanOrEqual(unfencedFrom_ms);
    lane.verify(2);
    await lane.publishedUpTo(20);
    expect(holds.calls.filter((call) => call === 'open')).toHaveLength(1);
    expect(made.written('out')).toEqual(runningOutputs(upTo(20)));
  });

  it('does not wait where that time has passed, and steps down while it waits', async () => {
    const made = world({ unfenced: true });
    const lane = made.start();
    await lane.startAt();
    lane.open(2, genesis, made.clock.now_ms() + 3_600_000);
    await lane.status();
    await lane.stepDown();
    expect(made.system('memory').holds.calls).not.toContain('open');
    lane.open(4, genesis, made.clock.now_ms() - 1);
    await lane.heard('verify-please', ({ epoch }) => epoch === 4);
  });

  it('alone waits: another publisher of the app is opened at once', async () => {
    const made = world({ app: forked, publishers: { a: ['left'], b: ['right'] }, unfenced: ['a'] });
    made.feed(0, upTo(20));
    const lane = made.start();
    await lane.startAt();
    lane.open(2, genesis, made.clock.now_ms() + 3_600_000);
    await lane.heard('verify-please', ({ publisher }) => publisher === 'b');
    lane.verify(2, 'b');
    await lane.publishedUpTo(20, 'b');
    expect(made.system('a').holds.calls).not.toContain('open');
  });

  it('may publish a batch in parts, and nothing is lost or doubled', async () => {
    const made = world({ unfenced: true });
    made.feed(0, upTo(500));
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    await lane.publishedUpTo(500);
    expect(made.written('out')).toEqual(runningOutputs(upTo(500)));
    const { metrics, tasks } = await lane.status();
    // Each input puts out two.
    expect(metrics.published).toBe(1000);
    expect(tasks[0]?.published).toEqual({ memory: '500' });
  });

  it('is told of authority, and so is the one that takes its place when its connection is given up', async () => {
    const made = world({ unfenced: true, haste: 40 });
    const { holds } = made.system('memory');
    const lane = made.start();
    expect((await lane.heard('described')).unfenced).toBe(true);
    await lane.startAt();
    lane.post({ type: 'authority', until_ms: 1000 });
    await lane.status();
    expect(holds.calls).toContain('authority 1000');
    await lane.goLive(1, genesis);
    holds.hold('publish');
    made.feed(0, upTo(5));
    while (holds.count('publish') === 0) await new Promise(setImmediate);
    await lane.stepDown();
    holds.release('publish');
    await lane.goLive(2);
    expect(lane.publishers).toHaveLength(2);
    expect(holds.count('authority 1000')).toBe(2);
  });

  it('is not said to be there where every sink has a fence', async () => {
    const made = world();
    expect((await made.start().heard('described')).unfenced).toBe(false);
  });
});
