// Two whole nodes of which one counts otherwise than the other: it is noticed at the next digest point, seen, and put
// right, and nothing wrong is ever published.
import {
  appWhen,
  eventually,
  expectedOutputs,
  isInSync,
  isLive,
  Stage,
  untilWithoutTroubles,
} from './support/stage.ts';
import type { AppReport } from '../src/api.ts';

jest.setTimeout(90_000);

const poison = 666;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

const isVerified = ({ digests }: AppReport): boolean => digests.verified;

it('of an app that has diverged on the passive: noticed, visible, put right, and in sync again', async () => {
  const pair = 'diverging';
  const retry_ms = 4_000;
  const a = await stage.start(pair, 'a');
  await appWhen(a, isLive);
  const b = await stage.start(pair, 'b', { apps: [await stage.faulty('totals', 'drift')], retry_ms });
  await appWhen(b, isInSync);
  await stage.feed(pair, 0, 250);
  await stage.outputCount(pair, 250);
  const { digests } = await appWhen(b, isVerified);
  expect(digests).toMatchObject({ divergences: 0, lastDivergence: null });
  await untilWithoutTroubles(b);

  // The first time it gets its state at once.
  await stage.feed(pair, 250, 1, poison);
  await appWhen(b, (app) => app.digests.divergences === 1 && isInSync(app));
  expect(b.logged("differs from the active's")).toMatchObject([
    { level: 50, app: 'totals', task: 'orders/0', position: '251', what: 'state' },
  ]);
  expect(a.logged("differs from the active's")).toEqual([]);

  // The second time soon after it waits, and everybody sees it.
  await stage.feed(pair, 251, 1, poison);
  const seen = await appWhen(b, ({ diverged }) => diverged);
  expect(seen).toMatchObject({ condition: 'inactive', inSync: false });
  expect(seen.reason).toMatch(/its state at position 252 of orders\/0 differed from the active's/);
  expect(seen.digests).toMatchObject({ divergences: 2, lastDivergence: { position: '252', what: 'state' } });
  expect((await b.node()).troubles.join()).toMatch(/app totals: its state at position 252/);
  const metrics = (await b.ask('GET', '/metrics')).body.toString();
  expect(metrics).toContain('tandem_app_diverged{app="totals"} 1');
  expect(metrics).toContain('tandem_divergences_total{app="totals"} 2');
  expect((await b.ask('GET', '/v1/apps/totals/snapshot')).status).toBe(409);
  const refused = await a.ask('POST', '/v1/pair/switchover');
  expect(refused.body.toString()).toContain('the passive node is not in sync: totals');

  // Then it asks again.
  await appWhen(b, (app) => isInSync(app) && !app.diverged && isVerified(app));
  await untilWithoutTroubles(b);
  await stage.feed(pair, 252, 100);
  await stage.outputCount(pair, 352);
  await eventually('a common position after that', async () => {
    const { tasks } = await b.app();
    return tasks[0]?.position === '352' ? true : undefined;
  });
  await a.handle.stop();
  await appWhen(b, isLive);
  await stage.feed(pair, 352, 50);
  await stage.outputCount(pair, 402);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(402, { 250: poison, 251: poison }));
  expect((await b.app()).digests.divergences).toBe(2);
});

it('of an app that has diverged when the active ends: it is taken from the store before it is published', async () => {
  const pair = 'diverged-alone';
  const a = await stage.start(pair, 'a');
  await appWhen(a, isLive);
  const b = await stage.start(pair, 'b', { apps: [await stage.faulty('totals', 'drift')] });
  await appWhen(b, isInSync);
  await stage.feed(pair, 0, 20);
  await stage.feed(pair, 20, 1, poison);
  await appWhen(b, (app) => app.digests.divergences === 1 && isInSync(app));
  await stage.feed(pair, 21, 1, poison);
  await appWhen(b, ({ diverged }) => diverged);
  const revision = await a.persist();
  await stage.feed(pair, 22, 20);
  await stage.outputCount(pair, 42);
  await a.handle.stop();
  await appWhen(b, isLive);
  await stage.feed(pair, 42, 20);
  await stage.outputCount(pair, 62);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(62, { 20: poison, 21: poison }));
  expect(await b.app()).toMatchObject({ diverged: false, reason: null });
  expect(revision).toBeGreaterThan(0);
});

it('that meet at no position: the state is taken once more, and then left alone', async () => {
  const pair = 'unverified';
  const a = await stage.start(pair, 'a', { spec: { digest: { every_inputs: 0, interval_ms: 100 } } });
  await appWhen(a, isLive);
  await stage.feed(pair, 0, 50);
  const b = await stage.start(pair, 'b', { grace_ms: 400 });
  await eventually('the second sync', () =>
    Promise.resolve(b.logged('an app could not be verified').length > 0 ? true : undefined),
  );
  await appWhen(b, isInSync);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(b.logged('an app could not be verified')).toHaveLength(1);
  expect(await b.app()).toMatchObject({ condition: 'in-sync', digests: { verified: false, divergences: 0 } });
  await a.handle.stop();
  await appWhen(b, isLive);
  await stage.feed(pair, 50, 10);
  await stage.outputCount(pair, 60);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(60));
});
