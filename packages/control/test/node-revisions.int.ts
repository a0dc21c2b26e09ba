// A node and the revisions it finds: damaged ones, missing ones, and those of other code.
import { DatabaseProxy } from './support/database-proxy.ts';
import {
  appWhen,
  eventually,
  expectedOutputs,
  isLive,
  Stage,
  untilWithoutTroubles,
  type RunningNode,
} from './support/stage.ts';

jest.setTimeout(60_000);

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterEach(() => stage.stopNodes());
afterAll(() => stage.close());

/** Ran, stored revisions after 100, 200 and so on orders, published everything, and stopped. */
async function ranOnce(pair: string, revisions: number): Promise<void> {
  const node = await stage.start(pair, 'a');
  await appWhen(node, isLive);
  for (let revision = 0; revision < revisions; revision++) {
    await stage.feed(pair, revision * 100, 100);
    await stage.outputCount(pair, (revision + 1) * 100);
    await node.persist();
  }
  await stage.feed(pair, revisions * 100, 100);
  await stage.outputCount(pair, (revisions + 1) * 100);
  await node.handle.stop();
}

async function goesOnExactly(pair: string, node: RunningNode, before: number): Promise<void> {
  await appWhen(node, isLive);
  await stage.feed(pair, before, 50);
  await stage.outputCount(pair, before + 50);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(before + 50));
}

const chunksOf = `upload = (SELECT upload FROM tandem.snapshot_revision WHERE pair = $1 ORDER BY revision DESC LIMIT 1)`;

describe('the newest revision is damaged', () => {
  it.each([
    [
      'a flipped byte',
      `UPDATE tandem.snapshot_chunk SET data = set_byte(data, 40, get_byte(data, 40) # 1) WHERE ${chunksOf}`,
    ],
    ['a missing chunk', `DELETE FROM tandem.snapshot_chunk WHERE ${chunksOf}`],
    [
      'a cut that its checksum agrees with',
      `UPDATE tandem.snapshot_chunk SET data = substr(data, 1, length(data) / 2),
         sha256 = sha256(substr(data, 1, length(data) / 2)) WHERE ${chunksOf}`,
    ],
    [
      'a flipped byte that its checksum agrees with',
      `UPDATE tandem.snapshot_chunk SET data = set_byte(data, 40, get_byte(data, 40) # 1),
         sha256 = sha256(set_byte(data, 40, get_byte(data, 40) # 1)) WHERE ${chunksOf}`,
    ],
  ])('by %s: says so, uses the one before, and publishes exactly what is missing', async (what, damage) => {
    const pair = `damaged-${what.length}`;
    await ranOnce(pair, 2);
    await stage.sql(damage, [pair]);
    await stage.feed(pair, 300, 50);
    const node = await stage.start(pair, 'a');
    await goesOnExactly(pair, node, 350);
    const said = node.logged('a revision cannot be used');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ level: 50, app: 'totals', revision: 2 });
    expect(String(said[0]?.['reason'])).not.toContain('\n');
  });
});

it('replays from genesis when every revision is damaged, and publishes nothing twice', async () => {
  await ranOnce('all-damaged', 2);
  await stage.sql(
    `UPDATE tandem.snapshot_chunk SET data = set_byte(data, 40, get_byte(data, 40) # 1)
     WHERE upload IN (SELECT upload FROM tandem.snapshot_revision WHERE pair = 'all-damaged')`,
  );
  const node = await stage.start('all-damaged', 'a');
  await goesOnExactly('all-damaged', node, 300);
  expect(node.logged('a revision cannot be used')).toHaveLength(2);
});

it('waits for a store that cannot be read for the moment, and does not take that for damage or for nothing', async () => {
  const pair = 'store-unreadable';
  await ranOnce(pair, 2);
  // Only the newest revision has all that it needs: neither the one before nor genesis leads anywhere.
  await stage.sql(`DELETE FROM tandem."log_${pair}.orders" WHERE "offset" < 200`);
  const proxy = await DatabaseProxy.open(stage.url);
  try {
    proxy.endOn = /COPY \(SELECT seq/;
    const node = await stage.start(pair, 'a', { storeUrl: proxy.url });
    const tries = () => node.logged('its state could not be had').map((line) => line['retry_ms']);
    await eventually('some tries', () => Promise.resolve(tries().length >= 4 ? true : undefined));
    expect(tries().slice(0, 4)).toEqual([100, 500, 2_000, 5_000]);
    const { condition, reason, restarts } = await node.app();
    expect([condition, restarts]).toEqual(['inactive', 0]);
    expect(reason).toMatch(/^the revisions of app 'totals' cannot be read at the moment: .*store failed/);
    expect((await node.node()).troubles).toEqual([`app totals: ${String(reason)}`]);
    expect(node.logged('a revision cannot be used')).toEqual([]);
    proxy.endOn = undefined;
    await goesOnExactly(pair, node, 300);
    expect(node.logged('an app failed')).toEqual([]);
  } finally {
    await stage.stopNodes();
    await proxy.close();
  }
});

it('uses the revision before when the newest alone cannot be read, time and again', async () => {
  const pair = 'newest-unreadable';
  await ranOnce(pair, 2);
  const [newest] = await stage.sql<{ upload: string }>(
    'SELECT upload::text FROM tandem.snapshot_revision WHERE pair = $1 ORDER BY revision DESC LIMIT 1',
    [pair],
  );
  await stage.sql(`DELETE FROM tandem."log_${pair}.orders" WHERE "offset" < 100`);
  const proxy = await DatabaseProxy.open(stage.url);
  try {
    proxy.endOn = new RegExp(`COPY \\(SELECT seq.*upload = ${String(newest?.upload)} `);
    const node = await stage.start(pair, 'a', { storeUrl: proxy.url });
    await goesOnExactly(pair, node, 300);
    expect(node.logged('its state could not be had')).toHaveLength(3);
    expect(node.logged('a revision cannot be read')).toMatchObject([{ level: 50, app: 'totals', revision: 2 }]);
  } finally {
    await stage.stopNodes();
    await proxy.close();
  }
});

it.each([
  ['kept in two revisions', 2],
  ['of which no revision has been stored yet', 0],
])(
  'refuses the state of another version of the app, %s, and goes on when the old one is back',
  async (_, revisions) => {
    const pair = `version-${revisions}`;
    const before = (revisions + 1) * 100;
    await ranOnce(pair, revisions);
    const newer = await stage.start(pair, 'a', { apps: [await stage.code('totals-v2')] });
    const { reason, output } = await appWhen(newer, ({ condition }) => condition === 'inactive');
    expect(output).toBe('closed');
    expect(reason).toMatch(/'totals'.*version 1.*version 2.*deploy.*tandem reset totals/);
    expect((await newer.node()).role).toBe('joining');
    expect((await newer.ask('GET', '/readyz')).status).toBe(503);
    await newer.handle.stop();
    expect(await stage.outputs(pair)).toEqual(expectedOutputs(before));
    await goesOnExactly(pair, await stage.start(pair, 'a'), before);
  },
);

it('refuses the state of another topology, naming both, and goes on when the old one is back', async () => {
  await ranOnce('topology', 1);
  const code = await stage.code('totals-other-store');
  const other = await stage.start('topology', 'a', { apps: [code] });
  const { reason } = await appWhen(other, ({ condition }) => condition === 'inactive');
  expect(reason).toContain((await stage.code('totals')).description.topologyHash);
  expect(reason).toContain(code.description.topologyHash);
  expect(reason).toMatch(/deploy.*tandem reset totals/);
  await other.handle.stop();
  await goesOnExactly('topology', await stage.start('topology', 'a'), 200);
});

it('refuses another number of lanes than was recorded, and says how to change it', async () => {
  await ranOnce('lanes', 1);
  const other = await stage.start('lanes', 'a', { lanes: 2 });
  const { reason } = await appWhen(other, ({ condition }) => condition === 'inactive');
  expect(reason).toBe(
    `app 'totals' was started with 1 lanes and is configured with 2 here; to change it stop both nodes and run 'tandem reset totals'`,
  );
  await other.handle.stop();
  await goesOnExactly('lanes', await stage.start('lanes', 'a'), 200);
});

it('goes on publishing while the snapshot store is away, says so, and stores revisions again when it is back', async () => {
  const pair = 'store-away';
  const node = await stage.start(pair, 'a', { persistence: { interval_ms: 200, keep: 3 } });
  await appWhen(node, isLive);
  await stage.feed(pair, 0, 100);
  const { persistence: before } = await appWhen(node, ({ persistence }) => persistence.lastRevision !== null);
  await stage.sql('ALTER TABLE tandem.snapshot_chunk RENAME TO snapshot_chunk_away');
  try {
    await appWhen(node, ({ persistence }) => persistence.lastError !== null);
    await stage.feed(pair, 100, 100);
    await stage.outputCount(pair, 200);
    const { role, troubles } = await node.node();
    expect(role).toBe('active');
    expect(troubles.join('\n')).toMatch(/app totals: last revision not stored: .*snapshot_chunk/);
    const metrics = (await node.ask('GET', '/metrics')).body.toString();
    expect(metrics).toMatch(/tandem_revision_failures_total\{.*app="totals".*\} [1-9]/);
  } finally {
    await stage.sql('ALTER TABLE tandem.snapshot_chunk_away RENAME TO snapshot_chunk');
  }
  await appWhen(
    node,
    ({ persistence }) =>
      persistence.lastError === null && Number(persistence.lastRevision) > Number(before.lastRevision),
  );
  await untilWithoutTroubles(node);
  expect(await stage.outputs(pair)).toEqual(expectedOutputs(200));
});

it('lets records go only when no kept revision needs them', async () => {
  const pair = 'retention';
  const node = await stage.start(pair, 'a', { persistence: { interval_ms: 600_000, keep: 2 } });
  await appWhen(node, isLive);
  await stage.sql(`UPDATE tandem.log SET keep_bytes = 0 WHERE name = 'retention.orders'`);
  const first = async (): Promise<number> => {
    const [row] = await stage.sql<{ first: string }>(
      `SELECT coalesce(min(l."offset"), h.next)::text AS first FROM tandem.head h
         LEFT JOIN tandem."log_retention.orders" l ON true WHERE h.log = 'retention.orders' GROUP BY h.next`,
    );
    return Number(row?.first);
  };
  await stage.feed(pair, 0, 100);
  await stage.outputCount(pair, 100);
  expect(await first()).toBe(0);
  // Two are kept: with the third the first one goes, and with it what only that one needed.
  for (const [revision, lowest] of [200, 200, 300].entries()) {
    const fed = (revision + 1) * 100;
    await stage.feed(pair, fed, 100);
    await stage.outputCount(pair, fed + 100);
    await node.persist();
    await eventually(`records before ${lowest} gone`, async () => {
      const found = await first();
      expect(found).toBeLessThanOrEqual(lowest);
      return found === lowest ? true : undefined;
    });
  }
  await node.handle.stop();
  // The oldest revision that is kept still has all it needs.
  await stage.sql(
    `DELETE FROM tandem.snapshot_revision WHERE pair = 'retention'
     AND revision = (SELECT max(revision) FROM tandem.snapshot_revision WHERE pair = 'retention')`,
  );
  await goesOnExactly(pair, await stage.start(pair, 'a'), 400);
});
