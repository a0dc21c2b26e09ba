// For `tandem reset`: what else this database knows of an app, beside its revisions and its published positions
// (publisher-stored.ts), so that it can begin afresh.
import type { PostgresSystem } from './configuration.ts';
import { withConnection } from './publisher-stored.ts';

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
