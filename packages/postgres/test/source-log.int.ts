import { asPosition } from '@tandem/pair';
import { describeSourceLog } from '@tandem/ports/contract';
import { createPostgresSource, openLogWriter } from '@tandem/postgres';
import type { TestDatabase } from '@tandem/embedded';
import { clock, until } from '@tandem/ports/contract';
import { freshDatabase, withClient } from './support/database.ts';
import { Proxy } from './support/proxy.ts';

let database: TestDatabase;
let logs = 0;

beforeAll(async () => {
  database = await freshDatabase();
}, 60_000);

afterAll(async () => {
  await database.drop();
});

const newName = (): string => `log-${String(logs++)}`;

const source = (log: string, url = database.url, poll_ms = 100) =>
  createPostgresSource({
    system: { url, schema: 'tandem' },
    binding: { log, create: { partitions: 3 } },
    clock,
    settings: { retryFirst_ms: 5, retryMost_ms: 50, poll_ms },
  });

/** As a user would, who deletes by hand or lets retention do it. */
const drop = (log: string, partition: number, before: number): Promise<unknown> =>
  withClient(database.url, async (client) => {
    await client.query(`DELETE FROM tandem."log_${log}" WHERE partition = $1 AND "offset" < $2`, [partition, before]);
    await client.query('UPDATE tandem.head SET first = $3 WHERE log = $1 AND partition = $2', [log, partition, before]);
  });

describeSourceLog('PostgreSQL', async () => {
  const log = newName();
  const proxy = await Proxy.open(database.url);
  const create = () => source(log, proxy.url);
  const first = await create();
  await first.close();
  const insert = async (partition: number, records: Parameters<typeof appendAll>[2], end: 'COMMIT' | 'ROLLBACK') => {
    await appendAll(log, partition, records, end);
  };
  return {
    create,
    append: (partition, records) => insert(partition, records, 'COMMIT'),
    appendAndUndo: (partition, records) => insert(partition, records, 'ROLLBACK'),
    drop: async (partition, before) => {
      await drop(log, partition, before);
    },
    breakConnections: () => {
      proxy.breakLinks();
      return Promise.resolve();
    },
    cut: () => {
      proxy.die();
      return Promise.resolve();
    },
    heal: () => {
      proxy.revive();
      return Promise.resolve();
    },
    until,
    settle: (work) => work,
    dispose: () => proxy.close(),
  };
});

async function appendAll(
  log: string,
  partition: number,
  records: readonly {
    readonly key: string | null;
    readonly value: string | null;
    readonly timestamp_ms?: number;
    readonly headers?: readonly string[];
  }[],
  end: 'COMMIT' | 'ROLLBACK',
): Promise<void> {
  if (end === 'COMMIT') {
    const writer = await openLogWriter({ url: database.url, log });
    for (const { key, value, timestamp_ms, headers } of records) {
      writer.add(key, value, {
        partition,
        ...(timestamp_ms !== undefined && { timestamp_ms }),
        ...(headers !== undefined && { headers }),
      });
    }
    await writer.flush();
    await writer.close();
    return;
  }
  await withClient(database.url, async (client) => {
    await client.query('BEGIN');
    for (const { key, value } of records) {
      await client.query('SELECT tandem.append($1, $2::text, $3::text, $4)', [log, key, value, partition]);
    }
    await client.query(end);
  });
}

describe('a PostgreSQL source', () => {
  it('says how to make a log that is missing', async () => {
    const missing = createPostgresSource({
      system: { url: database.url, schema: 'tandem' },
      binding: { log: 'nowhere', create: undefined },
      clock,
    });
    await expect(missing).rejects.toMatchObject({
      code: 'log-missing',
      blame: 'user',
      message: expect.stringContaining("create_log('nowhere', 4)") as string,
    });
  });

  it('refuses a log with another number of partitions', async () => {
    const log = newName();
    await (await source(log)).close();
    const other = createPostgresSource({
      system: { url: database.url, schema: 'tandem' },
      binding: { log, create: { partitions: 5 } },
      clock,
    });
    await expect(other).rejects.toMatchObject({ code: 'log-partitions', blame: 'user' });
  });

  it('is made once by several that come at the same time', async () => {
    const log = newName();
    const sources = await Promise.all([source(log), source(log), source(log), source(log)]);
    expect(await Promise.all(sources.map((one) => one.partitions()))).toEqual([3, 3, 3, 3]);
  });

  it('takes records deleted by hand for a gap, wherever they were', async () => {
    const log = newName();
    const reading = await source(log);
    await appendAll(
      log,
      0,
      ['a', 'b', 'c', 'd', 'e'].map((value) => ({ key: null, value })),
      'COMMIT',
    );
    await withClient(database.url, (client) =>
      client.query(`DELETE FROM tandem."log_${log}" WHERE "offset" IN (2, 3)`),
    );
    const reader = reading.read(new Map([[0, asPosition(0)]]));
    const seen: string[] = [];
    await until(() => {
      const taken = reader.take();
      if (taken?.kind === 'batch') while (taken.next()) seen.push(`record ${String(taken.position)}`);
      if (taken?.kind === 'gap') seen.push(`gap ${String(taken.wanted)} ${String(taken.first)}`);
      return seen.length === 3;
    });
    expect(seen).toEqual(['record 0', 'record 1', 'gap 2 4']);
    await reading.close();
  });

  it('is woken by an append, without waiting for its poll', async () => {
    const log = newName();
    const reading = await source(log, database.url, 600_000);
    const reader = reading.read(new Map([[0, asPosition(0)]]));
    let taken = 0;
    reader.onReady = () => {
      while (reader.take() !== undefined) taken++;
    };
    reader.onReady();
    await until(() => reader.end(0) === 0);
    await appendAll(log, 0, [{ key: 'k', value: 'v' }], 'COMMIT');
    await until(() => taken === 1);
    await withClient(database.url, (client) => client.query("SELECT tandem.append($1, 'k', 'v', 0)", [log]));
    await until(() => taken === 2);
    await reading.close();
  });

  it('finds by its poll what nobody announced', async () => {
    const log = newName();
    const reading = await source(log);
    const reader = reading.read(new Map([[0, asPosition(0)]]));
    await until(() => reader.end(0) === 0);
    await withClient(database.url, async (client) => {
      await client.query(`INSERT INTO tandem."log_${log}" VALUES (0, 0, now(), NULL, NULL, NULL)`);
      await client.query('UPDATE tandem.head SET next = 1 WHERE log = $1 AND partition = 0', [log]);
    });
    await until(() => reader.take() !== undefined);
    await reading.close();
  });

  describe('retention', () => {
    async function bounds(log: string, options: string): Promise<{ first: number; end: number; rows: number }> {
      const reading = await source(log);
      await withClient(database.url, (client) =>
        client.query(`UPDATE tandem.log SET ${options} WHERE name = $1`, [log]),
      );
      await appendAll(
        log,
        0,
        Array.from({ length: 100 }, (_, i) => ({
          key: 'k',
          value: 'x'.repeat(60),
          timestamp_ms: i < 40 ? Date.now() - 3_600_000 : Date.now(),
        })),
        'COMMIT',
      );
      await reading.releaseBefore(0, 'pair/slow', asPosition(30));
      await reading.releaseBefore(0, 'pair/quick', asPosition(80));
      const { first, end } = await reading.bounds(0);
      const rows = await withClient(database.url, (client) =>
        client.query(`SELECT 1 FROM tandem."log_${log}" WHERE partition = 0`),
      );
      await reading.close();
      return { first, end, rows: rows.rowCount ?? 0 };
    }

    it('keeps everything without a limit', async () => {
      expect(await bounds(newName(), 'keep_age = NULL')).toEqual({ first: 0, end: 100, rows: 100 });
    });

    it('never deletes what a registered reader has not released', async () => {
      expect(await bounds(newName(), "keep_age = interval '0'")).toEqual({ first: 30, end: 100, rows: 70 });
    });

    it('deletes nothing while nobody is registered', async () => {
      const log = newName();
      const reading = await source(log);
      await withClient(database.url, async (client) => {
        await client.query("UPDATE tandem.log SET keep_age = interval '0' WHERE name = $1", [log]);
        await client.query("SELECT tandem.append($1, 'k', 'v', 0)", [log]);
        expect((await client.query('SELECT tandem.sweep_log($1, 0, 10) AS count', [log])).rows).toEqual([
          { count: '0' },
        ]);
      });
      expect(await reading.bounds(0)).toEqual({ first: 0, end: 1 });
    });

    it('deletes by age what was released, and nothing younger', async () => {
      const log = newName();
      const { first } = await bounds(log, "keep_age = interval '30 minutes'");
      expect(first).toBe(30);
      const reading = await source(log);
      await reading.releaseBefore(0, 'pair/slow', asPosition(90));
      expect(await reading.bounds(0)).toEqual({ first: 40, end: 100 });
    });

    it('deletes by size, about', async () => {
      const log = newName();
      await bounds(log, 'keep_bytes = 3 * 50 * 101');
      const reading = await source(log);
      await reading.releaseBefore(0, 'pair/slow', asPosition(90));
      expect(await reading.bounds(0)).toEqual({ first: 50, end: 100 });
    });
  });
});
