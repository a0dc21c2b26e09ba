// For tools: published positions read without fencing, and forgotten by `tandem reset`.
import { asPosition, type Epoch, type Positions } from '@tandem/pair';
import type { PostgresSystem } from './configuration.ts';
import { openConnection, type Connection } from './connection.ts';
import { migrate } from './migrations/index.ts';
import { epochFrom } from './publisher-session.ts';
import { quoteSchema } from './schema.ts';

export interface StoredPublisher {
  readonly publisher: string;
  readonly positions: Positions;
  /** The highest epoch that any lane's fence holds. */
  readonly epoch: Epoch | undefined;
}

/** What is stored of the app, by publisher. @throws TandemError. */
export async function readPublished(
  system: PostgresSystem,
  pair: string,
  app: string,
): Promise<readonly StoredPublisher[]> {
  return await withConnection(system, async (connection, schema) => {
    const rows = await connection.query<{ publisher: string; task: string; position: string; epoch: string | null }>(
      `SELECT p.publisher, p.task, p.position, (SELECT max(f.epoch) FROM ${schema}.fence f
         WHERE f.pair = p.pair AND f.app = p.app AND f.publisher = p.publisher) AS epoch
       FROM ${schema}.published p WHERE p.pair = $1 AND p.app = $2 ORDER BY p.publisher, p.task`,
      [pair, app],
    );
    const publishers = new Map<
      string,
      { positions: Map<string, ReturnType<typeof asPosition>>; epoch: string | null }
    >();
    for (const row of rows.rows) {
      const entry = publishers.get(row.publisher) ?? { positions: new Map(), epoch: row.epoch };
      entry.positions.set(row.task, asPosition(Number(row.position)));
      publishers.set(row.publisher, entry);
    }
    return [...publishers].map(([publisher, { positions, epoch }]) => ({
      publisher,
      positions,
      epoch: epochFrom(epoch),
    }));
  });
}

/**
 * Deletes the app's published positions and fences (its claim on the retention of logs: `forgetReader`). No node of
 * the pair may be running. Returns the number of positions deleted. @throws TandemError.
 */
export async function forgetPublished(system: PostgresSystem, pair: string, app: string): Promise<number> {
  return await withConnection(system, async (connection, schema) => {
    const deleted = await connection.query(
      `WITH fences AS (DELETE FROM ${schema}.fence WHERE pair = $1 AND app = $2)
       DELETE FROM ${schema}.published WHERE pair = $1 AND app = $2`,
      [pair, app],
    );
    return deleted.rowCount ?? 0;
  });
}

/** Forgets a reader of a log (see `releaseBefore`): it holds no records back any more. @throws TandemError. */
export async function forgetReader(system: PostgresSystem, reader: string): Promise<number> {
  return await withConnection(system, async (connection, schema) => {
    const deleted = await connection.query(`DELETE FROM ${schema}.reader WHERE reader = $1`, [reader]);
    return deleted.rowCount ?? 0;
  });
}

/** A connection to tables that are up to date, for one piece of work. */
export async function withConnection<T>(
  system: PostgresSystem,
  work: (connection: Connection, schema: string) => Promise<T>,
): Promise<T> {
  const connection = await openConnection({ url: system.url, role: 'tool' });
  try {
    await migrate(connection, system.schema);
    return await work(connection, quoteSchema(system.schema));
  } finally {
    await connection.close();
  }
}
