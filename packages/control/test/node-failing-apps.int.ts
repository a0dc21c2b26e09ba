// An app that loops, throws or uses up its memory stops its lane; the node, the other app and the outputs do not suffer.
import fs from 'node:fs';
import { appWhen, eventually, expectedOutputs, isInSync, isLive, Stage, type RunningNode } from './support/stage.ts';

jest.setTimeout(90_000);

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

const lane = { answerLimit_ms: 2_000, heapLimit_bytes: 48 << 20, restartBackoff_ms: 50, maxRestarts: 1 };

const faults = [
  ['loop', /lane 0 has not answered for 2000 ms/],
  ['heap', /app 'totals' ran out of memory in lane 0: .* limit of 48 MiB; raise lane\.heapLimit/],
  ['throw', /this app cannot count to 666/],
] as const;

async function feedPoison(pair: string): Promise<void> {
  await stage.feed(pair, 50, 1, 666);
  await stage.feed(pair, 51, 20);
}

const poisoned = expectedOutputs(71, { 50: 666 });

/** Failed, restarted, and failed for good. */
async function failsForGood(node: RunningNode, why: RegExp): Promise<void> {
  const failures = await eventually(
    'failed for good',
    () => {
      const failed = node.logged('an app failed');
      return Promise.resolve(failed.at(-1)?.['willRestart'] === false ? failed : undefined);
    },
    40_000,
  );
  expect(failures.map(({ willRestart }) => willRestart)).toEqual([true, false]);
  for (const failure of failures) {
    expect(failure).toMatchObject({ app: 'totals', level: 50 });
    expect(String(failure['reason'])).toMatch(why);
  }
}

it.each(faults)('alone, %s: the node stays active and its other app goes on publishing', async (fault, why) => {
  const pair = `alone-${fault}`;
  const faulty = await stage.faulty('totals', fault);
  const node = await stage.start(pair, 'a', { apps: [faulty, await stage.code('others')], lane });
  await appWhen(node, isLive);
  await appWhen(node, isLive, 'others');
  await stage.feed(pair, 0, 50);
  await stage.outputCount(pair, 50);
  await feedPoison(pair);
  await stage.outputCount(pair, 71, 'others');
  await failsForGood(node, why);
  await stage.feed(pair, 71, 10);
  await stage.outputCount(pair, 81, 'others');
  expect(await stage.outputs(pair, 'others')).toEqual(expectedOutputs(81, { 50: 666 }));
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(50));
  const { role, epoch, troubles } = await node.node();
  expect([role, epoch]).toEqual(['active', 1]);
  expect(troubles.join('\n')).toMatch(why);
  const { reason, restarts } = await appWhen(node, ({ condition }) => condition === 'failed');
  expect(reason).toMatch(why);
  expect(restarts).toBe(1);
  await node.handle.stop();
  // The next start finds the app corrected.
  await appWhen(await stage.start(pair, 'a', { apps: [await stage.code('totals')] }), isLive);
  await stage.outputCount(pair, 81);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(81, { 50: 666 }));
});

it.each(faults)(
  'in a pair, %s: hands over to the node whose copy is healthy, once it has given up',
  async (fault, why) => {
    const pair = `pair-${fault}`;
    const others = await stage.code('others');
    const active = await stage.start(pair, 'a', { apps: [await stage.faulty('totals', fault), others], lane });
    await appWhen(active, isLive);
    const passive = await stage.start(pair, 'b', { apps: [await stage.code('totals'), others], lane });
    await appWhen(passive, isInSync);
    await appWhen(passive, isInSync, 'others');
    await stage.feed(pair, 0, 50);
    await stage.outputCount(pair, 50);
    await feedPoison(pair);
    await failsForGood(active, why);
    await appWhen(passive, isLive);
    await appWhen(passive, isLive, 'others');
    await stage.outputCount(pair, 71);
    await stage.outputCount(pair, 71, 'others');
    expect(await stage.outputs(pair)).toEqual(poisoned);
    expect(await stage.outputs(pair, 'others')).toEqual(poisoned);
    const lines = active.log;
    const gaveUp = lines.findIndex((line) => line.msg === 'an app failed' && line['willRestart'] === false);
    const left = lines.findIndex((line) => line.msg === 'role changed' && line['role'] === 'demoting');
    expect(gaveUp).toBeLessThan(left);
    expect((await active.node()).role).toBe('passive');
  },
);

it('leaves it to the failing lane to find out where in the app it was: the node itself reads no source map', async () => {
  const pair = 'where';
  const read = jest.spyOn(fs, 'readFileSync');
  const faulty = await stage.faulty('totals', 'throw');
  const node = await stage.start(pair, 'a', { apps: [faulty], lane });
  await appWhen(node, isLive);
  await feedPoison(pair);
  await failsForGood(node, /666/);
  const files = read.mock.calls.map(([file]) => String(file));
  read.mockRestore();
  expect(files.filter((file) => file.startsWith(faulty.bundle.path))).toEqual([]);
});

it('does not hand over an app to a node whose own copy has failed', async () => {
  const pair = 'both-poisoned';
  const others = await stage.code('others');
  const apps = async () => [await stage.faulty('totals', 'throw'), others];
  const active = await stage.start(pair, 'a', { apps: await apps(), lane: { ...lane, restartBackoff_ms: 1_000 } });
  await appWhen(active, isLive);
  const passive = await stage.start(pair, 'b', { apps: await apps(), lane });
  await appWhen(passive, isInSync);
  await stage.feed(pair, 0, 50);
  await stage.outputCount(pair, 50);
  await feedPoison(pair);
  await failsForGood(active, /666/);
  expect(passive.logged('an app failed')).not.toHaveLength(0);
  await stage.feed(pair, 71, 10);
  await stage.outputCount(pair, 81, 'others');
  const { role, epoch } = await active.node();
  expect([role, epoch]).toEqual(['active', 1]);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(50));
});

it('is not started again for a record that it refuses: it would refuse it again', async () => {
  const pair = 'refused-record';
  const node = await stage.start(pair, 'a', { lane: { restartBackoff_ms: 60_000 } });
  await appWhen(node, isLive);
  await stage.feed(pair, 0, 50);
  await stage.outputCount(pair, 50);
  await stage.feedText(pair, 'no order');
  const { reason, restarts } = await appWhen(node, ({ condition }) => condition === 'failed');
  expect(reason).toMatch(/position 50/);
  expect(restarts).toBe(0);
  expect(node.logged('an app failed')).toMatchObject([{ code: 'invalid-record', willRestart: false }]);
  expect((await node.node()).role).toBe('active');
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(50));
});

describe('a node that joins when the active has failed an app for good', () => {
  it.each([
    ['the newest revision', 1],
    ['genesis, where no revision is kept', 0],
  ])('takes it from %s, is handed it over, and publishes exactly what is missing', async (_, revisions) => {
    const pair = `failed-${revisions}`;
    const once = { ...lane, maxRestarts: 0 };
    const active = await stage.start(pair, 'a', { apps: [await stage.faulty('totals', 'throw')], lane: once });
    await appWhen(active, isLive);
    await stage.feed(pair, 0, 50);
    await stage.outputCount(pair, 50);
    for (let revision = 0; revision < revisions; revision++) await active.persist();
    await stage.feed(pair, 50, 50);
    await stage.outputCount(pair, 100);
    await stage.feed(pair, 100, 1, 666);
    await stage.feed(pair, 101, 20);
    await appWhen(active, ({ condition }) => condition === 'failed');
    const passive = await stage.start(pair, 'b');
    await appWhen(passive, isLive);
    await stage.outputCount(pair, 121);
    expect(await stage.outputs(pair)).toEqual(expectedOutputs(121, { 100: 666 }));
    expect(passive.logged('has failed this app')).toHaveLength(1);
    expect((await active.node()).role).toBe('passive');
  });

  it('learns from the sink what has been published, since the active does not tell', async () => {
    const pair = 'failed-at-once';
    const apps = [await stage.code('totals'), await stage.code('others')];
    const before = await stage.start(pair, 'a', { apps });
    await appWhen(before, isLive);
    await stage.feed(pair, 0, 100);
    await stage.outputCount(pair, 100);
    await before.persist();
    await stage.feed(pair, 100, 300);
    await stage.outputCount(pair, 400);
    await before.handle.stop();
    await stage.feed(pair, 400, 1, 666);
    await stage.feed(pair, 401, 20);
    // Its app fails on its way to the end of the input, before it could have been opened.
    const faulty = await stage.faulty('totals', 'throw');
    const spec = { queueLimit_bytes: 4_096, inSyncLag_inputs: 10 };
    const active = await stage.start(pair, 'a', {
      apps: [faulty, apps[1] ?? faulty],
      lane: { ...lane, maxRestarts: 0 },
    });
    await appWhen(active, ({ condition }) => condition === 'failed');
    await appWhen(active, isLive, 'others');
    const passive = await stage.start(pair, 'b', { apps, spec });
    await appWhen(passive, isLive);
    await stage.outputCount(pair, 421);
    expect(await stage.outputs(pair)).toEqual(expectedOutputs(421, { 400: 666 }));
    await stage.outputCount(pair, 421, 'others');
    expect(await stage.outputs(pair, 'others')).toEqual(expectedOutputs(421, { 400: 666 }));
  });
});
