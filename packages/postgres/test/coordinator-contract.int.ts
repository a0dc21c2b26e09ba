import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import type { Coordinator } from '@tandem/ports';
import { describeCoordinator } from '@tandem/ports/contract';
import { createPostgresCoordinator } from '@tandem/postgres';
import { clock, until } from '@tandem/ports/contract';
import { Proxy } from './support/proxy.ts';

jest.setTimeout(60_000);

let database: TestDatabase;
let pairs = 0;

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
});

afterAll(async () => {
  await database.drop();
});

// Each client has a link of its own to the database, which can be harmed.
describeCoordinator('postgres', async () => {
  pairs += 1;
  const pair = `pair-${String(pairs)}`;
  const proxies = await Promise.all(Array.from({ length: 4 }, () => Proxy.open(database.url)));
  const links = new Map<Coordinator, Proxy>();
  const linkOf = (client: Coordinator) => {
    const link = links.get(client);
    if (link === undefined) throw new Error('not one of ours');
    return link;
  };
  return {
    create: () => {
      const proxy = proxies[links.size];
      if (proxy === undefined) throw new Error('more clients than links');
      const client = createPostgresCoordinator({
        url: proxy.url,
        schema: 'tandem',
        pair,
        sessionTimeout_ms: 1000,
        clock,
      });
      links.set(client, proxy);
      return client;
    },
    now_ms: () => clock.now_ms(),
    until: (condition) => until(condition),
    settle: (work) => work,
    kill: (client) => {
      linkOf(client).die();
    },
    cut: (client) => {
      linkOf(client).blackHole();
    },
    heal: (client) => {
      linkOf(client).heal();
    },
    loseNextAnswer: (client) => {
      linkOf(client).loseAnswerTo(/epoch = epoch \+ 1|INTO "tandem"\.(pair|app_record)/);
    },
    dispose: async () => {
      await Promise.all([...links.keys()].map((client) => client.leave()));
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
});
