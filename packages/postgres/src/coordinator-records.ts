// What a pair agreed on once per app: small rows with a version, written by compare-and-set.
import type { AppName } from '@tandem/pair';
import { TandemError, type AppRecord, type VersionedAppRecord } from '@tandem/ports';
import { z } from 'zod';
import type { Connection } from './connection.ts';
import type { Statements } from './coordinator-statements.ts';

const recordSchema = z.object({
  lanes: z.int().min(1),
  appVersion: z.int().min(1),
  topologyHash: z.string(),
  genesis: z.record(z.string(), z.string()),
  initialised: z.array(z.string()),
});

interface AppRow {
  readonly version: number;
  readonly record: string;
}

/** @throws TandemError `app-record-unreadable` */
export async function readApp(
  connection: Connection,
  statements: Statements,
  pair: string,
  app: AppName,
): Promise<VersionedAppRecord | undefined> {
  const row = await readRow(connection, statements, pair, app);
  if (row === undefined) return undefined;
  const parsed = recordSchema.safeParse(JSON.parse(row.record));
  if (!parsed.success) {
    throw new TandemError(
      'app-record-unreadable',
      `the coordinator's record of app '${app}' in pair '${pair}' is not one of this version: ${z.prettifyError(parsed.error)}`,
    );
  }
  return { version: row.version, record: parsed.data };
}

/** `repeated`: the answer of an earlier try was lost, so a next version that holds exactly this counts as ours. */
export async function writeApp(
  connection: Connection,
  statements: Statements,
  pair: string,
  app: AppName,
  record: AppRecord,
  expectedVersion: number | undefined,
  repeated: boolean,
): Promise<boolean> {
  const text = JSON.stringify(record);
  const { rowCount } =
    expectedVersion === undefined
      ? await connection.query(statements.insertApp, [pair, app, text])
      : await connection.query(statements.updateApp, [pair, app, text, expectedVersion]);
  if (rowCount === 1 || !repeated) return rowCount === 1;
  const row = await readRow(connection, statements, pair, app);
  return row?.version === (expectedVersion ?? 0) + 1 && row.record === text;
}

export async function deleteApp(
  connection: Connection,
  statements: Statements,
  pair: string,
  app: AppName,
): Promise<void> {
  await connection.query(statements.deleteApp, [pair, app]);
}

async function readRow(
  connection: Connection,
  statements: Statements,
  pair: string,
  app: AppName,
): Promise<AppRow | undefined> {
  const { rows } = await connection.query<AppRow>(statements.readApp, [pair, app]);
  return rows[0];
}
