import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { describeSnapshotStore } from '@tandem/ports/contract';
import { createPostgresSnapshotStore, openConnection } from '@tandem/postgres';

jest.setTimeout(60_000);

let database: TestDatabase;
let pairs = 0;

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
});

afterAll(async () => {
  await database.drop();
});

describeSnapshotStore('postgres', () => {
  pairs += 1;
  const pair = `pair-${String(pairs)}`;
  const stores = new Set<ReturnType<typeof createPostgresSnapshotStore>>();
  return Promise.resolve({
    create: () => {
      const store = createPostgresSnapshotStore({ url: database.url, schema: 'tandem', pair });
      stores.add(store);
      return store;
    },
    corrupt: async (app, revision) => {
      const connection = await openConnection({ url: database.url, role: 'test' });
      await connection.query(
        `UPDATE tandem.snapshot_chunk SET data = set_byte(data, 0, 255 - get_byte(data, 0)) WHERE seq = 0 AND upload =
           (SELECT upload FROM tandem.snapshot_revision WHERE pair = $1 AND app = $2 AND revision = $3)`,
        [pair, app, revision],
      );
      await connection.close();
    },
    dispose: async () => {
      await Promise.all([...stores].map((store) => store.close()));
    },
  });
});
