// What only PostgreSQL's snapshot store can get wrong: sessions that end in mid write, and space.
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import type { Epoch } from '@tandem/pair';
import type { SnapshotStore } from '@tandem/ports';
import { createPostgresSnapshotStore, openConnection, type Connection } from '@tandem/postgres';
import { until } from '@tandem/ports/contract';

jest.setTimeout(60_000);

const mebibyte = 1024 * 1024;
const head = { app: 'orders', appVersion: 1, topologyHash: 'abc', epoch: 1 as Epoch };

let database: TestDatabase;
let admin: Connection;
let store: SnapshotStore;

beforeEach(async () => {
  database = await (await sharedTestServer()).createDatabase();
  admin = await openConnection({ url: database.url, role: 'test' });
  store = createPostgresSnapshotStore({ url: database.url, schema: 'tandem', pair: 'pair' });
});

afterEach(async () => {
  await store.close();
  await admin.close();
  await database.drop();
});

async function* content(size_bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size_bytes; at += mebibyte) yield await Promise.resolve(Buffer.alloc(mebibyte, at / mebibyte));
}

async function stored_bytes(): Promise<number> {
  const { rows } = await admin.query<{ size: string }>(
    `SELECT pg_total_relation_size('tandem.snapshot_chunk')::text AS size`,
  );
  return Number(rows[0]?.size);
}

/** Writes until something has arrived, then has the session killed in the middle. */
async function torn(): Promise<void> {
  async function* half() {
    yield* content(6 * mebibyte);
    await until(async () => {
      const { rowCount } = await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'tandem snapshots'`,
      );
      return rowCount === 1;
    });
    yield* content(6 * mebibyte);
  }
  await expect(store.write(head, half(), () => ({}))).rejects.toMatchObject({
    name: 'TandemError',
    code: 'store-failed',
  });
}

describe('the snapshot store on PostgreSQL', () => {
  it('has nothing of a write whose session was ended in the middle', async () => {
    await torn();
    expect(await store.list('orders')).toEqual([]);
    expect(await store.write(head, content(mebibyte), () => ({}))).toMatchObject({ outcome: 'stored', revision: 1 });
    expect(await store.list('orders')).toHaveLength(1);
  });

  it('gives back the space of torn writes and of pruned revisions', async () => {
    for (let round = 0; round < 8; round += 1) {
      if (round % 2 === 1) await torn();
      await store.write(head, content(6 * mebibyte), () => ({}));
      await store.prune('orders', 2);
    }
    expect(await store.list('orders')).toHaveLength(2);
    // Two revisions of 6 MiB, and room for one more of each kind; without reclaiming it would be 72 MiB.
    expect(await stored_bytes()).toBeLessThan(36 * mebibyte);
  });

  it('writes for one app while another app is being written', async () => {
    async function* whileOther() {
      yield Buffer.from('first half ');
      const other = { ...head, app: 'payments', epoch: 2 as Epoch };
      expect(await store.write(other, content(mebibyte), () => ({}))).toMatchObject({ outcome: 'stored' });
      expect(await store.prune('payments', 1)).toEqual([]);
      yield Buffer.from('second half');
    }
    expect(await store.write(head, whileOther(), () => ({}))).toMatchObject({ outcome: 'stored' });
  });

  it('notices chunks that are missing', async () => {
    await store.write(head, content(3 * mebibyte), () => ({}));
    await admin.query('DELETE FROM tandem.snapshot_chunk WHERE seq = 2');
    const read = async () => {
      for await (const chunk of store.read('orders', 1)) expect(chunk.length).toBe(mebibyte);
    };
    await expect(read()).rejects.toMatchObject({ code: 'snapshot-corrupt' });
  });

  it('gives a reader all of a revision that is pruned meanwhile', async () => {
    for (let revision = 1; revision <= 2; revision += 1) await store.write(head, content(12 * mebibyte), () => ({}));
    let read_bytes = 0;
    for await (const chunk of store.read('orders', 1)) {
      if (read_bytes === 0) expect(await store.prune('orders', 1)).toEqual([1]);
      read_bytes += chunk.length;
    }
    expect(read_bytes).toBe(12 * mebibyte);
  });

  it('ends a write under way when it is closed', async () => {
    async function* endless() {
      for (;;) {
        yield Buffer.alloc(mebibyte);
        if (!isClosing) {
          isClosing = true;
          closing = store.close();
        }
        await new Promise(setImmediate);
      }
    }
    let isClosing = false;
    let closing = Promise.resolve();
    await expect(store.write(head, endless(), () => ({}))).rejects.toMatchObject({ name: 'TandemError' });
    await closing;
  });
});
