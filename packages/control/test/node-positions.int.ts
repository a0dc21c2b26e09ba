// S9: what a node does when the sink's positions or the input are not what its state needs. Nothing is guessed.
import { appWhen, eventually, expectedOutputs, isInSync, isLive, Stage, type RunningNode } from './support/stage.ts';

jest.setTimeout(60_000);

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

/** Ran, stored revisions after 100 and 200 orders, published the outputs of 300, and stopped. */
async function ranOnce(pair: string): Promise<void> {
  const node = await stage.start(pair, 'a');
  await appWhen(node, isLive);
  for (const fed of [0, 100, 200]) {
    await stage.feed(pair, fed, 100);
    await stage.outputCount(pair, fed + 100);
    if (fed < 200) await node.persist();
  }
  await node.handle.stop();
}

/** Left failed without being started again for it: that would not have changed anything. */
async function failsForGood(node: RunningNode, code: string): Promise<string> {
  const [failure] = await eventually('failed for good', () => {
    const failures = node.logged('an app failed').filter((line) => line['willRestart'] === false);
    return Promise.resolve(failures.length > 0 ? failures : undefined);
  });
  expect(failure).toMatchObject({ app: 'totals', code });
  const { reason, restarts } = await appWhen(node, (app) => app.condition === 'failed');
  expect(node.logged('an app failed')).toHaveLength(restarts + 1);
  expect(node.logged(code)).toHaveLength(1);
  const text = reason ?? '';
  expect(text).not.toContain('\n');
  const ready = await node.ask('GET', '/readyz');
  expect(ready.status).toBe(503);
  expect(ready.body.toString()).toContain(text);
  expect((await node.node()).troubles).toContain(`app totals: ${text}`);
  return text;
}

async function setBack(pair: string, position: number): Promise<void> {
  await stage.sql('UPDATE tandem.published SET position = $2 WHERE pair = $1', [pair, position]);
  await stage.sql(`DELETE FROM tandem."log_${pair}.totals" WHERE "offset" >= $1`, [position]);
  await stage.sql('UPDATE tandem.head SET next = $2 WHERE log = $1', [`${pair}.totals`, position]);
}

it('fails the app, and publishes nothing, when the published position is gone', async () => {
  await ranOnce('gone');
  await stage.sql(`DELETE FROM tandem.published WHERE pair = 'gone'`);
  await stage.feed('gone', 300, 50);
  const node = await stage.start('gone', 'a');
  expect(await failsForGood(node, 'published-position-lost')).toMatch(
    /^published position lost: postgres has none for orders\/0; .*reset/,
  );
  expect(await stage.outputs('gone')).toEqual(expectedOutputs(300));
});

it('takes the revision that reaches back to it when the published position was set back', async () => {
  await ranOnce('back');
  await setBack('back', 150);
  const node = await stage.start('back', 'a');
  await appWhen(node, isLive);
  await stage.feed('back', 300, 50);
  await stage.outputCount('back', 350);
  expect(await stage.outputs('back')).toEqual(expectedOutputs(350));
  expect(node.logged('an app failed')).toHaveLength(1);
  expect(node.logged('is before what this state still holds')).toHaveLength(1);
});

it('replays from genesis when the published position was set back before every revision', async () => {
  await ranOnce('far-back');
  await setBack('far-back', 40);
  const node = await stage.start('far-back', 'a');
  await appWhen(node, isLive);
  await stage.outputCount('far-back', 300);
  expect(await stage.outputs('far-back')).toEqual(expectedOutputs(300));
});

it('fails the app when neither a revision nor genesis reaches back to the published position', async () => {
  const pair = 'too-far';
  await stage.feed(pair, 0, 60);
  await stage.sql(`DELETE FROM tandem."log_${pair}.orders"`);
  await stage.sql(`UPDATE tandem.head SET first = 60 WHERE log = '${pair}.orders'`);
  const before = await stage.start(pair, 'a');
  await appWhen(before, isLive);
  await stage.feed(pair, 60, 100);
  await stage.outputCount(pair, 100);
  await before.persist();
  await before.handle.stop();
  const outputs = await stage.outputs(pair);
  await stage.sql('UPDATE tandem.published SET position = 50 WHERE pair = $1', [pair]);
  await stage.feed(pair, 160, 10);
  const node = await stage.start(pair, 'a');
  expect(await failsForGood(node, 'published-position-lost')).toMatch(
    /^published position lost: no revision reaches back/,
  );
  expect(await stage.outputs(pair)).toEqual(outputs);
});

it('fails the app when the input no longer holds what its newest whole revision needs', async () => {
  await ranOnce('gap');
  await stage.sql(
    `UPDATE tandem.snapshot_chunk SET data = set_byte(data, 40, get_byte(data, 40) # 1) WHERE upload =
       (SELECT upload FROM tandem.snapshot_revision WHERE pair = 'gap' ORDER BY revision DESC LIMIT 1)`,
  );
  await stage.sql(`DELETE FROM tandem."log_gap.orders" WHERE "offset" < 150`);
  await stage.feed('gap', 300, 50);
  const node = await stage.start('gap', 'a');
  const reason = await failsForGood(node, 'input-gap');
  expect(reason).toContain(`source 'orders' no longer holds partition 0 position 100: the first that is there is 150`);
  expect(await stage.outputs('gap')).toEqual(expectedOutputs(300));
});

it.each([true, false])('a passive gets over a gap by newer state than the store had (live sync: %s)', async (live) => {
  const pair = `gap-passive-${live ? 'live' : 'store'}`;
  const active = await stage.start(pair, 'a', { live });
  await appWhen(active, isLive);
  await stage.feed(pair, 0, 100);
  await stage.outputCount(pair, 100);
  await active.persist();
  await stage.feed(pair, 100, 100);
  await stage.outputCount(pair, 200);
  await stage.sql(`DELETE FROM tandem."log_${pair}.orders" WHERE "offset" < 150`);
  const lane = { restartBackoff_ms: 200, maxRestarts: 5 };
  const passive = await stage.start(pair, 'b', { live, lane });
  if (!live) {
    await appWhen(
      passive,
      ({ condition, reason }) => condition === 'failed' && reason?.includes('position 100') === true,
    );
    await active.persist();
  }
  const { reason, restarts } = await appWhen(passive, isInSync);
  expect(reason).toBeNull();
  expect(restarts > 0).toBe(!live);
  await active.handle.stop();
  await appWhen(passive, isLive);
  await stage.feed(pair, 200, 50);
  await stage.outputCount(pair, 250);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(250));
});
