import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { describeUnfencedPublisher } from '@tandem/ports/contract';
import { until } from '@tandem/ports/contract';
import { createPublisher } from './support/publishing.ts';
import { answer, TestReceiver } from './support/server.ts';

jest.setTimeout(30_000);

let database: TestDatabase;
let worlds = 0;

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
}, 60_000);

afterAll(async () => {
  await database.drop();
});

describeUnfencedPublisher('HTTP', async () => {
  const app = `app${String(worlds++)}`;
  const receiver = await TestReceiver.open();
  return {
    create: () => {
      const sinks = { a: { url: `${receiver.url}/a` }, b: { url: `${receiver.url}/b` } };
      return createPublisher({ app, databaseUrl: database.url, sinks });
    },
    written: (sink) => {
      const of = receiver.arrived.filter(({ url }) => url === ['/a', '/b'][sink]);
      return Promise.resolve(
        of.map(({ body, headers }) => ({
          key: headers['tandem-key']?.[0] ?? null,
          value: body,
          timestamp_ms: Number(headers['tandem-timestamp']),
          headers: undefined,
        })),
      );
    },
    loseNextAnswer: () => undefined,
    loseNextRequest: () => undefined,
    breakConnection: () => {
      receiver.breakConnections();
      return Promise.resolve();
    },
    block: () => {
      receiver.usual = answer(503);
      return Promise.resolve({
        release: () => {
          receiver.usual = answer(200);
          // What came while it was blocked was not taken.
          receiver.arrived.splice(0);
          return Promise.resolve();
        },
      });
    },
    until,
    settle: (work) => work,
    dispose: () => receiver.close(),
  };
});
