// For `tandem reset`: what else this database knows of an app, beside its revisions and its published positions
// (publisher-stored.ts), so that it can begin afresh.
import type { Epoch } from '@tandem/pair';
import type { PostgresSystem } from './configuration.ts';
import { epochFrom } from './publisher-session.ts';
import { withConnection } from './publisher-stored.ts';
import { channelName } from './schema.ts';

/** The logs whose records are kept for this reader (see `releaseBefore`). @throws TandemError. */
export async function heldLogs(system: PostgresSystem, reader: string): Promise<readonly string[]> {
  return await withConnection(system, async (connection, schema) => {
    const { rows } = await connection.query<{ log: string }>(
      `SELECT DISTINCT log FROM ${schema}.reader WHERE reader = $1 ORDER BY log`,
      [reader],
    );
    return rows.map(({ log }) => log);
  });
}

/**
 * From now on the logs that this reader holds keep all that they have, until it releases something again. A reader
 * that begins afresh may want any of it, and until then nobody else speaks for it. @throws TandemError.
 */
export async function holdWhatIsThere(system: PostgresSystem, reader: string): Promise<void> {
  await withConnection(system, (connection, schema) =>
    connection.query(
      `UPDATE ${schema}.reader r SET floor = h.first, updated_at = clock_timestamp() FROM ${schema}.head h
       WHERE h.log = r.log AND h.partition = r.partition AND r.reader = $1`,
      [reader],
    ),
  );
}

/** The highest epoch that has opened a publisher of the app. @throws TandemError. */
export async function highestFence(system: PostgresSystem, pair: string, app: string): Promise<Epoch | undefined> {
  return await withConnection(system, async (connection, schema) => {
    const { rows } = await connection.query<{ epoch: string | null }>(
      `SELECT max(epoch) AS epoch FROM ${schema}.fence WHERE pair = $1 AND app = $2`,
      [pair, app],
    );
    return epochFrom(rows[0]?.epoch ?? null);
  });
}

/**
 * Raises the pair's epoch to this one where it is lower; nobody is active then. For a coordinator that has lost what
 * it knew: the next claim must be above everything that a fence has seen (S1). @throws TandemError.
 */
export async function raiseEpoch(system: PostgresSystem, pair: string, epoch: Epoch): Promise<void> {
  await withConnection(system, (connection, schema) =>
    connection.query(
      `WITH raised AS (
         INSERT INTO ${schema}.pair AS p (pair, epoch) VALUES ($1, $2)
         ON CONFLICT (pair) DO UPDATE SET epoch = excluded.epoch, active_incarnation = NULL
         WHERE p.epoch < excluded.epoch RETURNING 1)
       SELECT pg_notify($3, '') FROM raised`,
      [pair, epoch, channelName('pair', system.schema, pair)],
    ),
  );
}
