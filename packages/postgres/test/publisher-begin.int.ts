import type { TestDatabase } from '@tandem/embedded';
import { asEpoch, asPosition } from '@tandem/pair';
import { outputBatch } from '@tandem/ports/contract';
import { until } from '@tandem/ports/contract';
import { freshDatabase, withClient } from './support/database.ts';
import { Proxy } from './support/proxy.ts';
import { createPublisher, holdLock, rows } from './support/publishing.ts';

let database: TestDatabase;
let proxy: Proxy;

beforeAll(async () => {
  database = await freshDatabase();
  proxy = await Proxy.open(database.url);
  await withClient(database.url, (client) => client.query('CREATE TABLE target (name text)'));
}, 60_000);

afterAll(async () => {
  await proxy.close();
  await database.drop();
});

const batch = outputBatch(
  [['in/0', 0, 1]],
  [
    { sink: 0, partition: 0, key: 'row', value: '{}' },
    { sink: 1, partition: 0, key: 'record', value: '{}' },
  ],
);

const open = async (app: string, settings: Parameters<typeof createPublisher>[3] = {}) => {
  const publisher = await createPublisher(
    proxy.url,
    app,
    {
      rows: { table: 'target', columns: { key: 'name' } },
      log: { log: app, create: { partitions: 1 } },
    },
    settings,
  );
  await publisher.layout();
  await publisher.open(asEpoch(1), new Map([['in/0', asPosition(0)]]));
  return publisher;
};

const found = (app: string) =>
  withClient(database.url, async (client) => {
    const answer = await client.query<{ rows: number; records: number; position: number }>(
      `SELECT (SELECT count(*)::int FROM target) AS rows, (SELECT count(*)::int FROM tandem."log_${app}") AS records,
              (SELECT position::int FROM tandem.published WHERE app = $1 AND task = 'in/0') AS position`,
      [app],
    );
    return answer.rows[0];
  });

describe('a publishing transaction', () => {
  it.each([
    ['could not begin', 'BEGIN', 'BEGUN'],
    ['was not checked against the fence', '\0begin publish\0', '\0never existed\0'],
  ])('does nothing at all when it %s', async (_, part, replacement) => {
    const app = `spoiled-${part.trim().length.toString()}`;
    const publisher = await open(app);
    // Prepares its statements, so that they run without BEGIN as they would with it.
    const first = outputBatch([['in/0', 0, 0]], []);
    expect(await publisher.publish(first)).toEqual({ outcome: 'published' });
    proxy.spoilRequest(part, replacement);
    expect((await publisher.publish(batch)).outcome).not.toBe('published');
    expect(await found(app)).toEqual({ rows: 0, records: 0, position: 0 });
    await publisher.close();
  });

  it('whose session goes on without us is ended before anything is said about it', async () => {
    const lost = await Proxy.open(database.url);
    const sinks = { rows: { table: 'target', columns: { key: 'name' } } };
    const publisher = await createPublisher(lost.url, 'ended', sinks, {
      lockLimit_ms: 60_000,
      resolveLimit_ms: 15_000,
    });
    await publisher.layout();
    await publisher.open(asEpoch(1), new Map([['in/0', asPosition(0)]]));
    const release = await holdLock(database.url, 'LOCK TABLE target');
    const row = rows(0, 1, [['once', {}]]);
    const publishing = publisher.publish(row);
    const waiting = () =>
      withClient(database.url, async (client) => {
        const answer = await client.query(
          `SELECT 1 FROM tandem.fence f JOIN pg_stat_activity a ON a.pid = f.backend_pid
           WHERE f.app = 'ended' AND a.wait_event_type = 'Lock'`,
        );
        return answer.rowCount === 1;
      });
    await until(waiting);
    // A session that waits for a lock does not notice: it would commit as soon as it has the lock.
    lost.breakLinks();
    expect(await publishing).toMatchObject({ outcome: 'retryable' });
    await release();
    expect(await publisher.publish(row)).toEqual({ outcome: 'published' });
    const names = await withClient(database.url, (client) => client.query('SELECT name FROM target'));
    expect(names.rows).toEqual([{ name: 'once' }]);
    await publisher.close();
    await lost.close();
  }, 30_000);

  it('is followed again after the follower lost its connection', async () => {
    const publisher = await open('followed');
    const seen = new Map<string, number>();
    const following = publisher.follow((positions) => {
      for (const [task, position] of positions) seen.set(task, position);
    });
    await until(() => seen.get('in/0') === 0);
    proxy.breakLinks();
    const moved = outputBatch([['in/0', 0, 7]], []);
    await until(async () => (await publisher.publish(moved)).outcome !== 'retryable');
    await until(() => seen.get('in/0') === 7);
    await following.stop();
    await publisher.close();
  });

  it('wakes those who follow, without their poll', async () => {
    const publisher = await open('woken', { followPoll_ms: 600_000 });
    let seen = -1;
    const following = publisher.follow((positions) => {
      seen = positions.get('in/0') ?? seen;
    });
    await until(() => seen === 0);
    expect(await publisher.publish(outputBatch([['in/0', 0, 3]], []))).toEqual({ outcome: 'published' });
    await until(() => seen === 3);
    await following.stop();
    await publisher.close();
  });
});

describe('preparing', () => {
  it('goes through everything, also beside another one, and leaves nothing behind', async () => {
    const sinks = {
      rows: { table: 'target', columns: { key: 'name' } },
      log: { log: 'prepared', create: { partitions: 1 } },
    };
    const publishers = await Promise.all([1, 2].map(() => createPublisher(database.url, 'prepared', sinks)));
    for (const publisher of publishers) await publisher.layout();
    const stored = () =>
      withClient(database.url, async (client) => {
        const answer = await client.query<Record<string, string>>(
          `SELECT (SELECT count(*) FROM tandem.fence) AS fences, (SELECT count(*) FROM tandem.published) AS positions,
                  (SELECT count(*) FROM target) AS rows, (SELECT count(*) FROM tandem.log_prepared) AS records`,
        );
        return answer.rows;
      });
    const before = await stored();
    await Promise.all(publishers.map((publisher) => publisher.prepare(batch)));
    expect(await stored()).toEqual(before);
    await Promise.all(publishers.map((publisher) => publisher.close()));
  });
});
