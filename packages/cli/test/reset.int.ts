// What tandem reset deletes and what it must not: on a real PostgreSQL, the command itself in this process.
import { openLogWriter } from '@tandem/postgres';
import { main } from '../src/program.ts';
import { recordingTerminal } from './fixtures.ts';
import { eventually, start } from './process.ts';
import { freePort, Site } from './site.ts';

jest.setTimeout(90_000);

let site: Site;

beforeEach(async () => {
  site = await Site.open();
});

afterEach(async () => {
  await site.close();
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function reset(words: readonly string[], options: { answers?: (string | undefined)[] } = {}): Promise<Ended> {
  const terminal = recordingTerminal({ environment: site.environment('a', 0), ...options });
  const code = await main(['reset', ...words, '--config', `${site.folder}/tandem.yaml`], terminal);
  return { code, out: terminal.output(), error: terminal.errors() };
}

async function appendOrders(count: number): Promise<void> {
  const writer = await openLogWriter({ url: site.url, log: 'orders', create: { partitions: 2 } });
  for (let n = 0; n < count; n++) {
    const partition = n % 2;
    writer.add(`c${String(n)}`, JSON.stringify({ customer: 'c', amount: 1, ts: n }), { partition });
  }
  await writer.flush();
  await writer.close();
}

const floors = async (reader = 'orders/orders') =>
  (
    await site.sql<{ floor: string }>(
      `SELECT string_agg(floor::text, ' ' ORDER BY partition) AS floor FROM tandem.reader WHERE log = 'orders' AND reader = $1`,
      [reader],
    )
  )[0]?.floor ?? null;

/** Deletes what may go, as another reader does. @returns the first record that is left in partition 0. */
async function sweep(): Promise<number> {
  await site.sql(`SELECT tandem.sweep_log('orders', p, 1000) FROM (VALUES (0), (1)) AS partitions (p)`);
  const [row] = await site.sql<{ first: string }>(
    `SELECT first FROM tandem.head WHERE log = 'orders' AND partition = 0`,
  );
  return Number(row?.first);
}

describe('the records of a log that has a retention', () => {
  /** Ten records in each partition, all of them old enough to go; this pair needs those from the sixth on. */
  async function heldLog(): Promise<void> {
    await appendOrders(20);
    await site.sql(`UPDATE tandem.log SET keep_age = interval '0' WHERE name = 'orders'`);
    await site.sql(`INSERT INTO tandem.reader (log, partition, reader, floor)
      SELECT 'orders', partition, reader, floor FROM (VALUES (0), (1)) AS p (partition),
        (VALUES ('orders/orders', 6), ('others/app', 10)) AS r (reader, floor)`);
    await site.sql(`INSERT INTO tandem.app_record (pair, app, version, record) VALUES ('orders', 'orders', 1,
      '{"lanes":1,"appVersion":1,"topologyHash":"x","genesis":{"orders/0":"0","orders/1":"0"},"initialised":[]}')`);
    expect(await sweep()).toBe(6);
  }

  it('stay until the app has begun afresh: what is there now is what it begins with', async () => {
    await heldLog();
    await site.sql(`UPDATE tandem.reader SET floor = 9 WHERE reader = 'orders/orders'`);
    const found = await reset(['orders', '--yes']);
    expect(found).toMatchObject({ code: 0, error: '' });
    expect(found.out).toContain(
      'What log orders holds now is kept until it has stored a revision again (--release-inputs lets go).\n',
    );
    expect(await floors()).toBe('6 6');
    expect(await sweep()).toBe(6);
  });

  it('may go once the hold is given up, for an app that does not come back', async () => {
    await heldLog();
    const found = await reset(['orders', '--yes', '--release-inputs']);
    expect(found).toMatchObject({ code: 0, error: '' });
    expect(found.out).toContain('  its hold on the records of log orders\n');
    expect(await floors()).toBeNull();
    expect(await floors('others/app')).toBe('10 10');
    expect(await sweep()).toBe(10);
  });

  it('can be let go of later, when nothing else is kept any more', async () => {
    await heldLog();
    expect(await reset(['orders', '--yes'])).toMatchObject({ code: 0 });
    expect(await reset(['orders', '--yes'])).toEqual({
      code: 2,
      out: '',
      error:
        "tandem: nothing is kept of app 'orders' in pair orders but its hold on the records of log orders. --release-inputs gives it up\n",
    });
    expect(await reset(['orders', '--yes', '--release-inputs'])).toMatchObject({ code: 0, error: '' });
    expect(await floors()).toBeNull();
  });
});

test('after a reset the app begins with the first record there is, whatever others release meanwhile', async () => {
  await appendOrders(20);
  const port = await freePort();
  const asA = site.environment('a', port);
  const totals = async () => (await site.sql(`SELECT 1 FROM tandem.log_totals`)).length;
  const published = (count: number) =>
    eventually(`${String(count)} are published`, async () => ((await totals()) === count ? true : undefined));
  const held = (what: string) => eventually(what, async () => ((await floors()) === what ? true : undefined));

  const first = site.run('a', port);
  await published(20);
  expect(await site.tandem(['snapshot', 'take', 'orders'], asA)).toMatchObject({ code: 0 });
  await held('10 10');
  first.child.kill('SIGTERM');
  expect(await first.ended).toMatchObject({ code: 0 });
  expect(await reset(['orders', '--yes', '--republish'])).toMatchObject({ code: 0, error: '' });

  await appendOrders(10);
  await site.sql(`UPDATE tandem.log SET keep_age = interval '0' WHERE name = 'orders'`);
  await site.sql(`INSERT INTO tandem.reader (log, partition, reader, floor)
    VALUES ('orders', 0, 'others/app', 15), ('orders', 1, 'others/app', 15)`);
  await sweep();
  site.run('a', port);
  await published(20 + 30);
  expect(await site.tandem(['snapshot', 'take', 'orders'], asA)).toMatchObject({ code: 0 });
  await held('15 15');
});

describe('the question of a reset', () => {
  const record = async () => (await site.sql('SELECT 1 FROM tandem.app_record')).length;

  beforeEach(async () => {
    await appendOrders(1);
    await site.sql(`INSERT INTO tandem.app_record (pair, app, version, record) VALUES ('orders', 'orders', 1,
      '{"lanes":1,"appVersion":1,"topologyHash":"x","genesis":{"orders/0":"0","orders/1":"0"},"initialised":[]}')`);
  });

  it.each([
    ['the name', 'orders'],
    ['the name with spaces', ' orders '],
  ])('is answered by %s: then it deletes', async (_, answer) => {
    const found = await reset(['orders'], { answers: [answer] });
    expect(found).toMatchObject({ code: 0, error: '' });
    expect(found.out).toMatch(
      /^This deletes, of app orders in pair orders:\n[^]*\nType the app's name to delete all of this: orders begins afresh when its nodes start\n$/,
    );
    expect(await record()).toBe(0);
  });

  it.each([
    ['another name', 'order', ''],
    ['yes', 'yes', ''],
    ['nothing', '', ''],
    ['the end of the input', undefined, '\n'],
  ])('is answered by %s: then nothing is deleted', async (_, answer, end) => {
    const found = await reset(['orders'], { answers: [answer] });
    expect(found).toMatchObject({ code: 1, error: '' });
    expect(found.out.endsWith(`Type the app's name to delete all of this: ${end}nothing was deleted\n`)).toBe(true);
    expect(await record()).toBe(1);
  });

  it('is not asked with --yes', async () => {
    const found = await reset(['orders', '--yes'], { answers: [] });
    expect(found.code).toBe(0);
    expect(found.out).not.toContain('Type the');
  });

  it('is not asked where nobody is there to answer', async () => {
    const unconfirmed = 'tandem: nobody is there to be asked. Add --yes to delete all of this\n';
    expect(await reset(['orders'])).toMatchObject({ code: 2, error: unconfirmed });
    // A pipe is nobody, whatever is in it.
    const process = start(['reset', 'orders'], site.environment('a', 0), site.folder, 'orders\n');
    expect(await process.ended).toMatchObject({ code: 2, error: unconfirmed });
    expect(await record()).toBe(1);
  });
});

describe('when the coordinator has lost what it kept and the rest has not', () => {
  /** Twenty orders published and a revision stored in epoch 8, nobody alive; then these tables are emptied. */
  async function lose(...tables: readonly string[]): Promise<number> {
    await appendOrders(20);
    await site.sql(`INSERT INTO tandem.pair (pair, epoch) VALUES ('orders', 7)`);
    const port = await freePort();
    await storeRevision(port);
    for (const table of tables) await site.sql(`DELETE FROM tandem.${table}`);
    return port;
  }

  /** Starts the node, has it store a revision, and ends it in good order. */
  async function storeRevision(port: number): Promise<void> {
    const node = site.run('a', port);
    await eventually('a revision is stored', async () => {
      const { code, error } = await site.tandem(['snapshot', 'take', 'orders'], site.environment('a', port));
      if (code === 0) return true;
      throw new Error(`${error} ${node.out()}`);
    });
    node.child.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0, error: '' });
  }

  const totals = async () => (await site.sql(`SELECT 1 FROM tandem.log_totals`)).length;
  const epoch = async () => Number((await site.sql<{ epoch: string }>('SELECT epoch FROM tandem.pair'))[0]?.epoch);

  it('a node does not start and says so, and a reset goes on above the epochs that were', async () => {
    const port = await lose('pair', 'member', 'app_record');
    expect(await site.run('a', port).ended).toMatchObject({
      code: 2,
      error:
        "tandem: the coordinator (postgres) of pair orders knows no epoch, but the snapshot store has seen epoch 8 of app 'orders': it has lost what it kept, or is another one. Restore or correct it, or give up the state with 'tandem reset orders'\n",
    });
    const found = await reset(['orders', '--yes']);
    expect(found).toMatchObject({ code: 0, error: '' });
    expect(found.out).toContain("The pair's epoch is raised to 8, which the snapshot store has seen.\n");
    await storeRevision(port);
    expect(await epoch()).toBe(9);
    expect(await totals()).toBe(20);
  });

  it('a reset that publishes everything again stores revisions again, too', async () => {
    const port = await lose('pair', 'member', 'app_record');
    await site.sql(`INSERT INTO tandem.pair (pair, epoch) VALUES ('orders', 1)`);
    const found = await reset(['orders', '--yes', '--republish']);
    expect(found).toMatchObject({ code: 0, error: '' });
    expect(found.out).toContain("The pair's epoch is raised from 1 to 8, which the snapshot store has seen.\n");
    await storeRevision(port);
    expect(await epoch()).toBe(9);
    expect(await totals()).toBe(40);
  });

  it('revisions without a record of where the app began are noticed, and an epoch that only fences remember', async () => {
    const port = await lose('app_record');
    expect(await site.run('a', port).ended).toMatchObject({
      code: 2,
      error:
        "tandem: the coordinator (postgres) of pair orders does not know where app 'orders' began, but the snapshot store has revisions of it: it has lost what it kept, or is another one. Restore or correct it, or give up the state with 'tandem reset orders'\n",
    });
    expect(await reset(['orders', '--yes'])).toMatchObject({ code: 0, error: '' });
    await site.sql('DELETE FROM tandem.pair');
    expect(await reset(['orders', '--yes'])).toMatchObject({ code: 0, error: '' });
    expect(await epoch()).toBe(8);
  });
});
