import type { TestDatabase } from '@tandem/embedded';
import { partitionOf } from '@tandem/ports';
import { openLogWriter } from '@tandem/postgres';
import { freshDatabase, withClient } from './support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
  const writer = await openLogWriter({ url: database.url, log: 'first', create: { partitions: 1 } });
  await writer.close();
}, 60_000);

afterAll(async () => {
  await database.drop();
});

const sql = <T>(text: string, values: unknown[] = []) =>
  withClient(database.url, async (client) => (await client.query(text, values)).rows as T[]);

describe('a log writer', () => {
  it('appends a batch over several partitions, and says where each part begins', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'spread', create: { partitions: 3 } });
    for (let i = 0; i < 6; i++) writer.add('k', `v${String(i)}`, { partition: i % 2 });
    expect(await writer.flush()).toEqual({
      count: 6,
      firstOffsets: new Map([
        [0, 0],
        [1, 0],
      ]),
    });
    writer.add('k', 'v6', { partition: 1, headers: ['a', 'b'], timestamp_ms: 1000 });
    expect((await writer.flush()).firstOffsets).toEqual(new Map([[1, 3]]));
    expect(await writer.flush()).toMatchObject({ count: 0 });
    await writer.close();
    expect(
      await sql(`SELECT partition, "offset"::int, convert_from(value, 'UTF8') AS value, headers, extract(epoch FROM ts)::int AS ts
                 FROM tandem.log_spread WHERE "offset" = 3`),
    ).toEqual([{ partition: 1, offset: 3, value: 'v6', headers: ['a', 'b'], ts: 1 }]);
  });

  it('puts a key where Kafka would, as the function for SQL clients does', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'keyed', create: { partitions: 7 } });
    const keys = ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'ключ', 'ü', '🎈🎈', 'customer-17', 'x'.repeat(500)];
    for (const key of keys) writer.add(key, 'by writer');
    await writer.flush();
    await writer.close();
    for (const key of keys) await sql("SELECT tandem.append('keyed', $1::text, 'by sql')", [key]);
    const found = await sql<{ key: Buffer; partitions: number[] }>(
      'SELECT key, array_agg(partition) AS partitions FROM tandem.log_keyed GROUP BY key',
    );
    expect(found).toHaveLength(keys.length);
    for (const { key, partitions } of found) {
      const partition = partitionOf(key, 0, key.length, 7);
      expect(partitions).toEqual([partition, partition]);
    }
  });

  it('lets several write at once without gaps, doubles or deadlocks', async () => {
    const writers = await Promise.all(
      [0, 1, 2, 3].map(() => openLogWriter({ url: database.url, log: 'crowd', create: { partitions: 3 } })),
    );
    await Promise.all(
      writers.map(async (writer, who) => {
        for (let round = 0; round < 15; round++) {
          // In different orders, to provoke what could block.
          for (let i = 0; i < 9; i++) {
            writer.add(null, `${String(who)}:${String(round)}`, { partition: (who % 2 === 0 ? i : 8 - i) % 3 });
          }
          await writer.flush();
        }
      }),
    );
    await Promise.all(writers.map((writer) => writer.close()));
    expect(
      await sql(`SELECT partition, count(*)::int, count(DISTINCT "offset")::int AS distinct, min("offset")::int, max("offset")::int
                 FROM tandem.log_crowd GROUP BY partition ORDER BY partition`),
    ).toEqual([0, 1, 2].map((partition) => ({ partition, count: 180, distinct: 180, min: 0, max: 179 })));
  });

  it('lets records be added while a flush is under way', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'meanwhile', create: { partitions: 1 } });
    writer.add(null, 'one');
    const flushing = writer.flush();
    writer.add(null, 'two');
    expect(await flushing).toMatchObject({ count: 1 });
    expect(await writer.flush()).toEqual({ count: 1, firstOffsets: new Map([[0, 1]]) });
    await writer.close();
  });

  it('never loses records silently: a log that is gone is an error', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'gone', create: { partitions: 1 } });
    await sql("DELETE FROM tandem.head WHERE log = 'gone'");
    writer.add('k', 'v');
    await expect(writer.flush()).rejects.toThrow(/offset/);
    expect(await sql("SELECT tandem.drop_log('gone') AS dropped")).toEqual([{ dropped: true }]);
    await writer.close();
  });

  it('refuses what cannot be right', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'first' });
    expect(() => {
      writer.add('k', 'v', { partition: 1 });
    }).toThrow(RangeError);
    expect(() => {
      writer.add('k', 'v', { timestamp_ms: NaN });
    }).toThrow(RangeError);
    await writer.close();
    await expect(openLogWriter({ url: database.url, log: 'missing' })).rejects.toMatchObject({ code: 'log-missing' });
    await expect(openLogWriter({ url: database.url, log: "x'; DROP" })).rejects.toMatchObject({ code: 'log-name' });
  });
});

describe('the functions for SQL clients', () => {
  it('make a log once, with a fixed number of partitions', async () => {
    expect(await sql("SELECT tandem.create_log('made', 2) AS made")).toEqual([{ made: true }]);
    expect(await sql("SELECT tandem.create_log('made', 2) AS made")).toEqual([{ made: false }]);
    await expect(sql("SELECT tandem.create_log('made', 3)")).rejects.toThrow(/has 2 partitions, not 3/);
  });

  it('append with all that a record has, in the transaction of the caller', async () => {
    await sql("SELECT tandem.create_log('byhand', 2)");
    await withClient(database.url, async (client) => {
      await client.query('BEGIN');
      await client.query("SELECT tandem.append('byhand', 'k', 'undone', 1)");
      await client.query('ROLLBACK');
      const answer = await client.query(
        `SELECT tandem.append('byhand', '\\x00ff'::bytea, NULL::bytea, 1, to_timestamp(5), '["n", "v"]')::int AS "offset"`,
      );
      expect(answer.rows).toEqual([{ offset: 0 }]);
    });
    expect(await sql(`SELECT *, extract(epoch FROM ts)::int AS at FROM tandem.log_byhand`)).toMatchObject([
      { partition: 1, offset: '0', key: Buffer.from([0, 255]), value: null, headers: ['n', 'v'], at: 5 },
    ]);
  });

  it('say what is wrong', async () => {
    await expect(sql("SELECT tandem.append('nowhere', 'k', 'v')")).rejects.toThrow(/log nowhere does not exist/);
    await expect(sql("SELECT tandem.append('first', 'k', 'v', 9)")).rejects.toThrow(/has no partition 9/);
  });
});
