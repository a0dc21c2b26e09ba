// The lane's core on logs and sinks in memory: promotion, fences, limits, failures.
import { asEpoch } from '@tandem/pair';
import { trimLagBounds_ms } from '@tandem/lane';
import { systemClock } from '../src/system-clock.ts';
import { runningOutputs, silent } from './support/apps.ts';
import type { World } from './support/memory-lane.ts';
import { genesis, upTo, worldsOfThisFile } from './support/worlds.ts';

const world = worldsOfThisFile();

/** Both input partitions use one key, so all outputs are in one partition of the sink. */
function outputsOf(made: World): string[] {
  return made.written('out');
}

describe('a lane', () => {
  it('says which tasks are its own, every lanes-th partition', async () => {
    const made = world({ partitions: 5 });
    const described = await made.start({ lane: 1, lanes: 2 }).heard('described');
    expect(described).toMatchObject({
      app: 'running',
      version: 1,
      tasks: ['in/1', 'in/3'],
      allTasks: ['in/0', 'in/1', 'in/2', 'in/3', 'in/4'],
      publishers: ['memory'],
    });
  });

  it('resolves where its own tasks begin', async () => {
    const made = world();
    made.feed(0, upTo(9));
    made.input.drop(0, 4);
    const lane = made.start();
    lane.post({ type: 'resolve-genesis' });
    expect((await lane.heard('genesis')).positions).toEqual({ 'in/0': '4', 'in/1': '0' });
  });

  it('is in sync once it has applied everything, and says when it falls behind', async () => {
    const made = world({ queueLimit_bytes: 2000 });
    made.feed(0, upTo(5));
    const lane = made.start();
    await lane.startAt();
    await lane.heard('lag', ({ inSync }) => inSync);
    made.feed(0, upTo(500));
    await lane.heard('lag', ({ inSync }) => !inSync);
  });

  it('queues and publishes nothing while its publishers are off', async () => {
    const made = world();
    made.feed(0, upTo(30));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    expect(outputsOf(made)).toEqual([]);
    const { tasks, metrics } = await lane.status();
    expect(tasks[0]).toMatchObject({ task: 'in/0', position: '30', queued: { out: 60 }, published: { memory: null } });
    expect(metrics).toMatchObject({ inputs: 30, outputs: 60, published: 0, stateEntries: 1 });
  });

  it('publishes what waits, in order, then what is made', async () => {
    const made = world();
    made.feed(0, upTo(300));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    await lane.goLive(1, genesis);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(300)));
    made.feed(0, upTo(700, 300));
    await lane.publishedUpTo(700);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(700)));
  });

  it('commits the positions of inputs that put out nothing', async () => {
    const made = world({ app: silent });
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    made.feed(1, upTo(20));
    await lane.publishedUpTo(20);
    expect(lane.published()).toMatchObject({ 'in/1': 20 });
  });

  it('ends without leaving anything behind when it is closed at any time', async () => {
    const made = world();
    made.feed(0, upTo(50));
    const early = made.start();
    await early.close();
    const lane = made.start();
    await lane.startAt();
    lane.post({ type: 'open', epoch: asEpoch(1), initialise: genesis });
    lane.post({ type: 'snapshot-please', id: 1, credit: 0 });
    await lane.close();
    expect(lane.said.at(-1)).toEqual({ type: 'closed' });
  });
});

describe('opening', () => {
  it('publishes nothing before control has verified that very epoch', async () => {
    const made = world();
    made.feed(0, upTo(10));
    const lane = made.start();
    await lane.startAt();
    lane.verify(2);
    lane.post({ type: 'open', epoch: asEpoch(2), initialise: genesis });
    await lane.heard('verify-please');
    lane.verify(1);
    await lane.caughtUp();
    await lane.status();
    expect(outputsOf(made)).toEqual([]);
    lane.verify(2);
    await lane.heard('live');
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(10)));
  });

  it('says which epoch the fence held before', async () => {
    const made = world();
    const first = made.start();
    await first.startAt();
    await first.goLive(3, genesis);
    const second = made.start();
    await second.startAt();
    await second.goLive(4);
    expect(first.all('verify-please')[0]).toMatchObject({ epoch: 3, storedEpoch: undefined });
    expect(second.all('verify-please')[0]).toMatchObject({ epoch: 4, storedEpoch: 3 });
  });

  it('suppresses what has been published before, also what it applies only later', async () => {
    const made = world();
    const first = made.start();
    await first.startAt();
    await first.goLive(1, genesis);
    made.feed(0, upTo(100));
    await first.publishedUpTo(100);
    first.kill();

    const second = made.start();
    await second.startAt();
    await second.goLive(2);
    made.feed(0, upTo(150, 100));
    await second.publishedUpTo(150);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(150)));
  });

  it('is superseded where the fence holds a newer epoch, and publishes nothing', async () => {
    const made = world();
    const newer = made.start();
    await newer.startAt();
    await newer.goLive(5, genesis);
    made.feed(0, upTo(10));
    const older = made.start();
    await older.startAt();
    older.post({ type: 'open', epoch: asEpoch(4), initialise: undefined });
    expect(await older.heard('superseded')).toMatchObject({ publisher: 'memory', byEpoch: 5 });
    await newer.publishedUpTo(10);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(10)));
  });

  it('fails where published positions are gone', async () => {
    const lane = world().start();
    await lane.startAt();
    lane.post({ type: 'open', epoch: asEpoch(1), initialise: undefined });
    await lane.heard('verify-please');
    lane.verify(1);
    expect(await lane.heard('failed')).toMatchObject({ code: 'published-position-lost' });
  });

  it('fails where the published position is before what its state still holds, and says what it must reach', async () => {
    const made = world();
    made.feed(0, upTo(20));
    const first = made.start();
    await first.startAt();
    await first.caughtUp();
    await first.goLive(1, genesis);
    first.post({ type: 'step-down' });
    await first.heard('stepped-down');
    made.feed(0, upTo(40, 20));
    const second = made.start();
    await second.startAt({ 'in/0': '30' });
    second.post({ type: 'open', epoch: asEpoch(2), initialise: undefined });
    await second.heard('verify-please');
    second.verify(2);
    expect(await second.heard('failed')).toMatchObject({
      code: 'published-position-behind',
      positions: { 'in/0': '20' },
    });
  });
});

describe('publishing', () => {
  it('opens again, verified again, after it was fenced by an opening of its own epoch', async () => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    made.openElsewhere(1);
    made.feed(0, upTo(10));
    await lane.until(() => lane.all('verify-please').length === 2, 'a question before it opens again');
    lane.verify(1);
    await lane.until(() => lane.all('verify-please').length === 3, 'the question after it');
    expect(outputsOf(made)).toEqual([]);
    lane.verify(1);
    await lane.publishedUpTo(10);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(10)));
    expect(lane.all('live')).toHaveLength(2);
  });

  it('stops for good when it is fenced by a newer epoch', async () => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    made.openElsewhere(2);
    made.feed(0, upTo(10));
    expect(await lane.heard('superseded')).toMatchObject({ byEpoch: 2 });
    lane.verify(1);
    await lane.caughtUp();
    expect(outputsOf(made)).toEqual([]);
    lane.post({ type: 'step-down' });
    await lane.heard('stepped-down');
  });

  it('shows what its system warns of, and goes on', async () => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    made.system('memory').holds.warning = 'somebody else is here';
    made.feed(0, upTo(10));
    await lane.publishedUpTo(10);
    expect((await lane.status()).troubles).toEqual(['memory: somebody else is here']);
  });

  it('begins nothing while it is held, and goes on by itself when nobody has taken over', async () => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    const freeFrom_ms = made.clock.now_ms() + 150;
    lane.post({ type: 'hold', limit_ms: 150 });
    made.feed(0, upTo(10));
    await lane.publishedUpTo(10);
    expect(made.clock.now_ms()).toBeGreaterThanOrEqual(freeFrom_ms);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(10)));
  });

  it('is held no longer once it is opened anew', async () => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    lane.post({ type: 'hold', limit_ms: 60_000 });
    made.feed(0, upTo(10));
    await lane.goLive(2);
    await lane.publishedUpTo(10);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(10)));
  });

  it.each(['loseNextAnswer', 'loseNextRequest'] as const)('loses and doubles nothing: %s', async (loss) => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    lane.publishers[0]?.[loss]();
    made.feed(0, upTo(200));
    await lane.publishedUpTo(200);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(200)));
  });

  it('tries again while the sink is blocked, says so, and goes on', async () => {
    const made = world();
    const lane = made.start();
    await lane.startAt();
    await lane.goLive(1, genesis);
    made.sinks.isBlocked = true;
    made.feed(0, upTo(100));
    while ((await lane.status()).troubles.length === 0) await new Promise(setImmediate);
    expect((await lane.status()).troubles).toEqual(['memory: the sink is blocked']);
    made.sinks.isBlocked = false;
    await lane.publishedUpTo(100);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(100)));
    expect((await lane.status()).troubles).toEqual([]);
  });

  it('never splits the outputs of an input', async () => {
    const made = world({ publishMaxOutputs: 3 });
    made.feed(0, upTo(20));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    await lane.goLive(1, genesis);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(20)));
    expect((await lane.status()).metrics.publishCalls).toBeGreaterThanOrEqual(20);
  });

  it('pauses its inputs while the queues are full, and goes on when there is room', async () => {
    const made = world({ queueLimit_bytes: 4000 });
    made.feed(0, upTo(400));
    const lane = made.start();
    await lane.startAt();
    while ((await lane.status()).tasks[0]?.paused !== true) await new Promise(setImmediate);
    const [task] = (await lane.status()).tasks;
    expect(task?.queued_bytes).toBeLessThan(4500);
    expect(Number(task?.position)).toBeLessThan(100);
    await lane.goLive(1, genesis);
    await lane.publishedUpTo(400);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(400)));
  });

  it('stops when it has to step down, keeps its state, and can be opened again', async () => {
    const made = world();
    const first = made.start();
    await first.startAt();
    await first.goLive(1, genesis);
    made.feed(0, upTo(50));
    await first.publishedUpTo(50);
    first.post({ type: 'step-down' });
    await first.heard('stepped-down');
    made.feed(0, upTo(80, 50));
    await first.caughtUp();
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(50)));

    const second = made.start();
    await second.startAt();
    await second.goLive(2);
    await second.publishedUpTo(80);
    first.post({ type: 'trim', publisher: 'memory', positions: { 'in/0': '80' } });
    second.post({ type: 'step-down' });
    await second.heard('stepped-down');
    made.feed(0, upTo(90, 80));
    await first.goLive(3);
    await first.publishedUpTo(90);
    expect(outputsOf(made)).toEqual(runningOutputs(upTo(90)));
  });
});

describe('a passive lane', () => {
  it('lets go of what the active has published', async () => {
    const made = world();
    made.feed(0, upTo(10));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    lane.post({ type: 'trim', publisher: 'memory', positions: { 'in/0': '7' } });
    expect((await lane.status()).tasks[0]).toMatchObject({ queued: { out: 6 }, published: { memory: '7' } });
  });

  it('counts how long before a trim the active had published what it lets go of', async () => {
    const made = world();
    made.feed(0, upTo(10));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    const trim = (position: string, since_ms?: number): void => {
      lane.post({ type: 'trim', publisher: 'memory', positions: { 'in/0': position }, since_ms });
    };
    trim('7', systemClock.wall_ms() - 400);
    // Nothing to let go of; nothing known of the time; the other node's clock is ahead.
    trim('7', systemClock.wall_ms() - 400);
    trim('8');
    trim('9', systemClock.wall_ms() + 60_000);
    const { counts, sum_ms } = (await lane.status()).metrics.trimLag;
    const from = trimLagBounds_ms.indexOf(500);
    expect(counts).toHaveLength(trimLagBounds_ms.length + 1);
    expect(counts.map((count, index) => (index >= from ? 0 : count))).toEqual(
      counts.map((_, at) => (at === 0 ? 1 : 0)),
    );
    expect(counts.slice(from).reduce((sum, count) => sum + count)).toBe(1);
    expect(sum_ms).toBeGreaterThanOrEqual(400);
  });

  it('reads published positions from where they are durable, when told to follow', async () => {
    const made = world();
    const active = made.start();
    await active.startAt();
    await active.goLive(1, genesis);
    const passive = made.start();
    passive.post({ type: 'follow', on: true });
    await passive.startAt();
    made.feed(0, upTo(40));
    await passive.publishedUpTo(40);
    await passive.caughtUp();
    expect((await passive.status()).tasks[0]).toMatchObject({ queued: { out: 0 }, published: { memory: '40' } });
    passive.post({ type: 'follow', on: false });
  });

  it('applies trims that came before its state did', async () => {
    const made = world();
    made.feed(0, upTo(10));
    const lane = made.start();
    await lane.heard('described');
    lane.post({ type: 'trim', publisher: 'memory', positions: { 'in/0': '4' } });
    await lane.startAt();
    await lane.caughtUp();
    expect((await lane.status()).tasks[0]).toMatchObject({ queued: { out: 12 } });
  });
});

describe('a lane fails', () => {
  it('at a record that its app refuses, with everything before it untouched', async () => {
    const made = world();
    made.feed(0, [1, 2, '"poison"', 3]);
    const lane = made.start();
    await lane.startAt();
    const failed = await lane.heard('failed');
    expect(failed).toMatchObject({ code: 'invalid-record', blame: 'user' });
    expect(failed.reason).toMatch(/position 2/);
  });

  it('where the log no longer holds what comes next', async () => {
    const made = world();
    made.feed(0, upTo(20));
    made.input.drop(0, 10);
    const lane = made.start();
    await lane.startAt({ 'in/0': '5' });
    const failed = await lane.heard('failed');
    expect(failed).toMatchObject({ code: 'input-gap', blame: 'user' });
    expect(failed.reason).toMatch(/position 5.*10/);
  });

  it('when a task has no position to begin at', async () => {
    const lane = world().start();
    await lane.heard('described');
    lane.post({ type: 'start-at', run: 1, positions: { 'in/0': '0' } });
    expect(await lane.heard('failed')).toMatchObject({ code: 'input-gap', blame: 'user' });
  });
});
