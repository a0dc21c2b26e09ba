import type { TestDatabase } from '@tandem/embedded';
import { describePublisher } from '@tandem/ports/contract';
import type { Publisher } from '@tandem/ports';
import { until } from '@tandem/ports/contract';
import { freshDatabase, withClient } from './support/database.ts';
import { Proxy } from './support/proxy.ts';
import { createPublisher, holdLock } from './support/publishing.ts';

let database: TestDatabase;
let worlds = 0;

beforeAll(async () => {
  database = await freshDatabase();
}, 60_000);

afterAll(async () => {
  await database.drop();
});

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
      const publisher = await createPublisher(
        proxy.url,
        app,
        Object.fromEntries(logs.map((log) => [log, { log, create: { partitions: 3 } }])),
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
      const release = await holdLock(database.url, `LOCK TABLE tandem."log_${logs[0] ?? ''}" IN SHARE MODE`);
      return { release };
    },
    until,
    settle: (work) => work,
    dispose: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  });
});
