import type { TestDatabase } from '@tandem/embedded';
import { describePublisher } from '@tandem/ports/contract';
import { createPostgresPublisher, type PostgresSinkBinding } from '@tandem/postgres';
import type { Publisher } from '@tandem/ports';
import { clock, until } from './support/clock.ts';
import { freshDatabase, withClient } from './support/database.ts';
import { Proxy } from './support/proxy.ts';

let database: TestDatabase;
let worlds = 0;

beforeAll(async () => {
  database = await freshDatabase();
}, 60_000);

afterAll(async () => {
  await database.drop();
});

function create(app: string, url: string, sinks: readonly PostgresSinkBinding[]) {
  return createPostgresPublisher({
    system: { url, schema: 'tandem' },
    sinks: sinks.map((binding, index) => ({ sink: `sink${String(index)}`, binding })),
    scope: { pair: 'p', app, lane: 0, lanes: 1, tasks: ['in/0', 'in/1'] },
    clock,
    log: () => undefined,
    settings: { lockLimit_ms: 100, retry_ms: 10, followPoll_ms: 50 },
  });
}

describePublisher('PostgreSQL', async () => {
  const app = `app${String(worlds++)}`;
  const proxies = new Map<Publisher, Proxy>();
  const proxyOf = (publisher: Publisher): Proxy => {
    const proxy = proxies.get(publisher);
    if (proxy === undefined) throw new Error('not one of ours');
    return proxy;
  };
  const logs = [`${app}-a`, `${app}-b`];
  return Promise.resolve({
    create: async () => {
      const proxy = await Proxy.open(database.url);
      const publisher = await create(
        app,
        proxy.url,
        logs.map((log) => ({ log, create: { partitions: 3 } })),
      );
      proxies.set(publisher, proxy);
      return publisher;
    },
    written: (sink, partition) =>
      withClient(database.url, async (client) => {
        const found = await client.query<{
          offset: string;
          key: Buffer | null;
          value: Buffer | null;
          ms: string;
          headers: string[] | null;
        }>(
          `SELECT "offset", key, value, extract(epoch FROM ts) * 1000 AS ms, headers FROM tandem."log_${logs[sink] ?? ''}"
           WHERE partition = $1 ORDER BY "offset"`,
          [partition],
        );
        expect(found.rows.map((row) => Number(row.offset))).toEqual(found.rows.map((_, index) => index));
        return found.rows.map((row) => ({
          key: row.key?.toString() ?? null,
          value: row.value?.toString() ?? null,
          timestamp_ms: Number(row.ms),
          headers: row.headers ?? undefined,
        }));
      }),
    loseNextAnswer: (publisher) => {
      proxyOf(publisher).loseAnswerTo(/begin publish/);
    },
    loseNextRequest: (publisher) => {
      proxyOf(publisher).loseRequest(/begin publish/);
    },
    breakConnection: (publisher) => {
      proxyOf(publisher).breakLinks();
      return Promise.resolve();
    },
    block: async () => {
      const release = await holdLock(`LOCK TABLE tandem."log_${logs[0] ?? ''}" IN SHARE MODE`);
      return { release };
    },
    until,
    settle: (work) => work,
    dispose: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  });
});

/** Runs the statement in a transaction of another session that stays open until it is released. */
async function holdLock(statement: string): Promise<() => Promise<void>> {
  let release: () => void = () => undefined;
  let held: () => void = () => undefined;
  const isHeld = new Promise<void>((resolve) => {
    held = resolve;
  });
  const ended = withClient(database.url, async (client) => {
    await client.query('BEGIN');
    await client.query(statement);
    held();
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    await client.query('ROLLBACK');
  });
  await Promise.race([isHeld, ended]);
  return async () => {
    release();
    await ended;
  };
}
