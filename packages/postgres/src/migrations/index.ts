// Brings the schema up to what this version needs: numbered steps, each applied once, all or nothing.
import { createHash } from 'node:crypto';
import { TandemError } from '@tandem/ports';
import { DatabaseError } from 'pg';
import type { Connection } from '../connection.ts';
import { lockKey, quoteSchema } from '../schema.ts';
import { coordination } from './0001-coordination.ts';
import { snapshots } from './0002-snapshots.ts';
import { logs } from './0003-logs.ts';
import { publishing } from './0004-publishing.ts';
import type { Migration } from './migration.ts';

const migrations: readonly Migration[] = [coordination, snapshots, logs, publishing];

interface AppliedRow {
  readonly id: string;
  readonly checksum: string;
}

/**
 * Applies what is missing; does nothing, and needs no rights, when nothing is. Any number of processes may call it
 * at the same time. @throws TandemError `schema-newer` when a newer version has been here, `schema-altered` when an
 * applied step is not the one this version knows.
 */
export async function migrate(
  connection: Connection,
  schema: string,
  steps: readonly Migration[] = migrations,
): Promise<void> {
  const quoted = quoteSchema(schema);
  if (missing(schema, steps, await applied(connection, quoted)).length === 0) return;
  await connection.query('BEGIN');
  try {
    await connection.query('SELECT pg_advisory_xact_lock($1)', [lockKey('migrate', schema)]);
    // CREATE SCHEMA IF NOT EXISTS would ask for the right to create one even where it exists.
    const found = await connection.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    if (found.rowCount === 0) await connection.query(`CREATE SCHEMA ${quoted}`);
    await connection.query(
      `CREATE TABLE IF NOT EXISTS ${quoted}.migration
         (id text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`,
    );
    await connection.query(`SET LOCAL search_path TO ${quoted}`);
    for (const step of missing(schema, steps, await applied(connection, quoted))) {
      await connection.query(step.sql);
      await connection.query('INSERT INTO migration (id, checksum) VALUES ($1, $2)', [step.id, checksum(step)]);
    }
    await connection.query('COMMIT');
  } catch (thrown) {
    if (!connection.isClosed) await connection.query('ROLLBACK').catch(() => undefined);
    if (thrown instanceof DatabaseError && thrown.code === '42501') {
      throw new TandemError(
        'schema-rights',
        `no right to make tables in schema '${schema}' of ${connection.target} (${thrown.message}). Grant CREATE, or let another user start it once.`,
        { blame: 'user', cause: thrown },
      );
    }
    throw thrown;
  }
}

async function applied(connection: Connection, quoted: string): Promise<readonly AppliedRow[]> {
  const table = `${quoted}.migration`;
  const found = await connection.query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [table]);
  if (found.rows[0]?.exists !== true) return [];
  return (await connection.query<AppliedRow>(`SELECT id, checksum FROM ${table} ORDER BY id`)).rows;
}

function missing(schema: string, steps: readonly Migration[], present: readonly AppliedRow[]): readonly Migration[] {
  const known = new Map(steps.map((step) => [step.id, checksum(step)]));
  for (const { id, checksum: stored } of present) {
    const expected = known.get(id);
    if (expected === undefined) {
      throw new TandemError(
        'schema-newer',
        `schema '${schema}' was changed by a newer version (step ${id}). Use that version, or another schema.`,
        { blame: 'user' },
      );
    }
    if (expected !== stored) {
      throw new TandemError(
        'schema-altered',
        `schema '${schema}' holds another form of step ${id} than this version knows. Use another schema.`,
        { blame: 'user' },
      );
    }
  }
  const done = new Set(present.map((row) => row.id));
  return steps.filter((step) => !done.has(step.id));
}

function checksum(step: Migration): string {
  return createHash('sha256').update(step.sql).digest('hex');
}
