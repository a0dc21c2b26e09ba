// What is known of a log: whether it exists, how many partitions it has, and making one.
import { TandemError } from '@tandem/ports';
import type { Connection } from './connection.ts';
import type { LogNames } from './log-name.ts';

/**
 * The number of partitions; makes the log first when it is missing and `create` says how.
 * @throws TandemError `log-missing`, `log-partitions`.
 */
export async function requireLog(
  connection: Connection,
  log: LogNames,
  create: { readonly partitions: number } | undefined,
  where: string,
): Promise<number> {
  const present = await partitionsOf(connection, log);
  if (present === undefined) {
    if (create === undefined) {
      throw new TandemError(
        'log-missing',
        `log '${log.name}' does not exist: ${connection.target} (${where}). Make it with SELECT ${log.schema.slice(1, -1)}.create_log('${log.name}', 4), or add 'create: { partitions: 4 }' beside its name.`,
        { blame: 'user' },
      );
    }
    // Two nodes may come here at the same time: the function makes it once.
    await connection.query(`SELECT ${log.schema}.create_log($1, $2)`, [log.name, create.partitions]);
    return create.partitions;
  }
  if (create !== undefined && create.partitions !== present) {
    throw new TandemError(
      'log-partitions',
      `log '${log.name}' has ${String(present)} partitions, not ${String(create.partitions)}: ${connection.target} (${where}). The number is fixed: correct it, or use another log.`,
      { blame: 'user' },
    );
  }
  return present;
}

export async function partitionsOf(connection: Connection, log: LogNames): Promise<number | undefined> {
  const found = await connection.query<{ partitions: number }>(
    `SELECT partitions FROM ${log.schema}.log WHERE name = $1`,
    [log.name],
  );
  return found.rows[0]?.partitions;
}
