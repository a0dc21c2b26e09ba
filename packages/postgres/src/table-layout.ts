// Checks a column mapping against the table as it is, before the first output: every mistake is named then, not later.
import { TandemError } from '@tandem/ports';
import { DatabaseError } from 'pg';
import type { Connection } from './connection.ts';
import type { PostgresTableSinkBinding } from './log-configuration.ts';

export interface CheckedColumn {
  readonly name: string;
  /** The type's name, fit for a cast, without length or precision. */
  readonly type: string;
  readonly kind: 'time' | 'json' | 'bytes' | 'other';
  readonly source:
    { readonly from: 'key' } | { readonly from: 'timestamp' } | { readonly from: 'field'; readonly field: string };
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly base: string;
  readonly writable: boolean;
  readonly required: boolean;
}

const kinds: Readonly<Record<string, CheckedColumn['kind']>> = {
  'timestamp with time zone': 'time',
  'timestamp without time zone': 'time',
  date: 'time',
  json: 'json',
  jsonb: 'json',
  bytea: 'bytes',
};

/** `table`: the name, quoted and fit for SQL text. @throws TandemError. */
export async function checkTable(
  connection: Connection,
  sink: string,
  binding: PostgresTableSinkBinding,
): Promise<{ readonly table: string; readonly columns: readonly CheckedColumn[] }> {
  const where = `sink '${sink}', ${connection.target}`;
  const table = await findTable(connection, binding, where);
  const present = await readColumns(connection, table.oid);
  const columns = Object.entries(binding.columns).map(([field, name]): CheckedColumn => {
    const column = present.find((candidate) => candidate.name === name);
    if (column === undefined) {
      const near = nearest(
        name,
        present.map((candidate) => candidate.name),
      );
      throw userError(
        'sink-column',
        `table ${table.name} has no column '${name}' (${where}).${near === undefined ? '' : ` Did you mean '${near}'?`}`,
      );
    }
    if (!column.writable) {
      throw userError(
        'sink-column',
        `column '${name}' of table ${table.name} is generated and cannot be written (${where}). Leave it out.`,
      );
    }
    return { name, type: column.type, kind: kinds[column.base] ?? 'other', source: sourceOf(field) };
  });
  const mapped = columns.map((column) => column.name);
  const twice = mapped.find((name, index) => mapped.indexOf(name) !== index);
  if (twice !== undefined) {
    throw userError(
      'sink-column',
      `column '${twice}' of table ${table.name} is given twice (${where}). Keep one of them.`,
    );
  }
  const absent = present.find((column) => column.required && !mapped.includes(column.name));
  if (absent !== undefined) {
    throw userError(
      'sink-column',
      `column '${absent.name}' of table ${table.name} must have a value (${where}). Map a field to it, or give it a default.`,
    );
  }
  if (binding.upsert !== undefined) await checkUpsert(connection, table, binding.upsert, mapped, where);
  return { table: table.name, columns };
}

interface TableRow {
  readonly oid: string;
  readonly name: string;
  readonly kind: string;
  readonly permitted: boolean;
}

async function findTable(connection: Connection, binding: PostgresTableSinkBinding, where: string): Promise<TableRow> {
  const privileges = binding.upsert === undefined ? 'INSERT' : 'INSERT, UPDATE';
  const found = await connection
    .query<TableRow>(
      `SELECT c.oid::text AS oid, c.oid::regclass::text AS name, c.relkind::text AS kind,
              (SELECT bool_and(has_table_privilege(c.oid, trim(p))) FROM unnest(string_to_array($2, ',')) p) AS permitted
       FROM pg_class c WHERE c.oid = to_regclass($1)`,
      [binding.table, privileges],
    )
    .catch((thrown: unknown) => {
      // Not even a name.
      if (thrown instanceof DatabaseError && thrown.code?.startsWith('42') === true) return { rows: [] };
      throw thrown;
    });
  const table = found.rows[0];
  if (table === undefined || !['r', 'p', 'v', 'f'].includes(table.kind)) {
    throw userError(
      'sink-table',
      `there is no table '${binding.table}' (${where}). Create it, or write its name with its schema.`,
    );
  }
  if (!table.permitted) {
    throw userError(
      'sink-table',
      `no right to ${privileges} on table ${table.name} (${where}). Grant it to this user.`,
    );
  }
  return table;
}

async function readColumns(connection: Connection, table: string): Promise<readonly ColumnRow[]> {
  const found = await connection.query<ColumnRow>(
    `SELECT a.attname AS name, format_type(a.atttypid, -1) AS type,
            format_type(coalesce(nullif(t.typbasetype, 0), t.oid), -1) AS base,
            a.attgenerated = '' AND a.attidentity <> 'a' AS writable,
            a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [table],
  );
  return found.rows;
}

async function checkUpsert(
  connection: Connection,
  table: TableRow,
  upsert: readonly string[],
  mapped: readonly string[],
  where: string,
): Promise<void> {
  const unmapped = upsert.find((column) => !mapped.includes(column));
  if (unmapped !== undefined) {
    throw userError(
      'sink-upsert',
      `upsert column '${unmapped}' of table ${table.name} is not among the mapped columns (${where}). Map a field to it.`,
    );
  }
  const unique = await connection.query(
    `SELECT 1 FROM (
       SELECT array_agg(a.attname::text) AS columns FROM pg_index i
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0 : i.indnkeyatts - 1])
       WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       GROUP BY i.indexrelid) u
     WHERE u.columns @> $2::text[] AND u.columns <@ $2::text[]`,
    [table.oid, upsert],
  );
  if (unique.rowCount === 0) {
    throw userError(
      'sink-upsert',
      `table ${table.name} has no unique index on exactly (${upsert.join(', ')}) (${where}). Create one, or name the columns of one it has.`,
    );
  }
}

function sourceOf(field: string): CheckedColumn['source'] {
  if (field === 'key' || field === 'timestamp') return { from: field };
  return { from: 'field', field: field.startsWith('value.') ? field.slice('value.'.length) : field };
}

function userError(code: string, message: string): TandemError {
  return new TandemError(code, message, { blame: 'user' });
}

/** The most similar of the names, if any is similar at all. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return ranked !== undefined && ranked.distance <= Math.max(2, name.length / 2) ? ranked.candidate : undefined;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
