// Two nodes that find each other: at the same moment, with a broken stream, with other code, with another token.
import { CuttingProxy } from './support/cutting-proxy.ts';
import {
  appWhen,
  eventually,
  expectedOutputs,
  isInSync,
  isLive,
  Stage,
  untilWithoutTroubles,
  type RunningNode,
} from './support/stage.ts';

jest.setTimeout(90_000);

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

async function exactAfterSwitchover(pair: string, from: RunningNode, to: RunningNode, count: number): Promise<void> {
  await appWhen(to, isInSync);
  await eventually('the active knows that the passive is in sync', async () => {
    const { outcome, detail } = await from.json<{ outcome: string; detail: string }>('/v1/pair/switchover', 'POST');
    if (outcome !== 'done') throw new Error(detail);
    return true;
  });
  await appWhen(to, isLive);
  await stage.feed(pair, count, 20);
  await stage.outputCount(pair, count + 20);
}

it('nodes that start at the same moment are soon active and in sync, again and again', async () => {
  for (let round = 0; round < 6; round++) {
    const pair = `at-once-${Math.floor(round / 2)}`;
    // The retry is a minute: whoever had to wait for it would not be in sync in time.
    const nodes = await Promise.all([stage.start(pair, 'a'), stage.start(pair, 'b')]);
    await Promise.all(nodes.map((node) => appWhen(node, isInSync)));
    await eventually('one is active, one passive', async () => {
      const roles = await Promise.all(nodes.map(async (node) => (await node.node()).role));
      return roles.sort().join() === 'active,passive' ? true : undefined;
    });
    const fed = (round % 2) * 50;
    await stage.feed(pair, fed, 50);
    await stage.outputCount(pair, fed + 50);
    expect(await stage.outputs(pair)).toEqual(expectedOutputs(fed + 50));
    await stage.stopNodes();
  }
});

it('a node with other code ends and says so; the active is undisturbed', async () => {
  const active = await stage.start('other-code', 'a');
  await appWhen(active, isLive);
  await stage.feed('other-code', 0, 50);
  const code = await stage.code('totals');
  const passive = await stage.start('other-code', 'b', {
    apps: [{ ...code, bundle: { ...code.bundle, hash: 'another' } }],
  });
  const end = await passive.handle.ended;
  expect(end.blame).toBe('user');
  expect(end.detail).toMatch(/^the code of app 'totals' differs from the active's .*deploy the same build/);
  await stage.feed('other-code', 50, 50);
  await stage.outputCount('other-code', 100);
  expect(await stage.outputs('other-code')).toEqual(expectedOutputs(100));
  const { role, epoch } = await active.node();
  expect([role, epoch]).toEqual(['active', 1]);
  await untilWithoutTroubles(active);
});

it('a snapshot that breaks off half-way is not used; the next ones are asked for soon, not after the long retry', async () => {
  const proxy = await CuttingProxy.open();
  try {
    const active = await stage.start('cut', 'a', { advertise: proxy.address });
    proxy.target = active.port;
    proxy.cuts = 2;
    await appWhen(active, isLive);
    await stage.feed('cut', 0, 100);
    await stage.outputCount('cut', 100);
    const passive = await stage.start('cut', 'b');
    const { reason } = await appWhen(passive, ({ condition }) => condition === 'inactive');
    expect(reason).toMatch(/snapshot.*(broke off|cut off)/);
    await exactAfterSwitchover('cut', active, passive, 100);
    expect(await stage.outputs('cut')).toEqual(expectedOutputs(120));
    const said = passive.logged('its state could not be had');
    expect(said.map((line) => line['retry_ms'])).toEqual([100, 500]);
    for (const line of said) expect(String(line['reason'])).toMatch(/snapshot.*(broke off|cut off)/);
  } finally {
    await stage.stopNodes();
    await proxy.close();
  }
});

it('a node that joins while the lane of the active is started again waits for it, not for the long retry', async () => {
  const pair = 'lane-restarts';
  const faulty = await stage.faulty('totals', 'throw');
  const active = await stage.start(pair, 'a', { apps: [faulty], lane: { restartBackoff_ms: 1_500 } });
  await appWhen(active, isLive);
  await stage.feed(pair, 0, 50);
  await stage.outputCount(pair, 50);
  await faulty.heal();
  await stage.feed(pair, 50, 1, 666);
  await appWhen(active, ({ condition }) => condition === 'failed');
  const passive = await stage.start(pair, 'b');
  await appWhen(active, isLive);
  await exactAfterSwitchover(pair, active, passive, 51);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(71, { 50: 666 }));
});

it('nodes with the same token are a pair', async () => {
  const token = 'a-token-of-both';
  const active = await stage.start('token', 'a', { token });
  await appWhen(active, isLive);
  const passive = await stage.start('token', 'b', { token });
  await exactAfterSwitchover('token', active, passive, 0);
  expect(await stage.outputs('token')).toEqual(expectedOutputs(20));
});

it('a node with another token says so in its status and once in its log, without the token', async () => {
  const active = await stage.start('wrong-token', 'a', { token: 'right-token' });
  await appWhen(active, isLive);
  const passive = await stage.start('wrong-token', 'b', { token: 'wrong-token-of-b' });
  const troubles = await eventually('a trouble of the link', async () => {
    const found = (await passive.node()).troubles;
    return found.length === 2 ? found : undefined;
  });
  expect(troubles[0]).toBe(
    `link: a at ${active.handle.address}: it does not accept this node's token; give both nodes the same node.token`,
  );
  expect(troubles[1]).toMatch(/^app totals: no snapshot from .*: the bearer token is not the one of this node$/);
  expect(passive.logged('no link to the active')).toHaveLength(1);
  expect(JSON.stringify([troubles, passive.log, active.log])).not.toMatch(/right-token|wrong-token-of-b/);
  await untilWithoutTroubles(active);
});
