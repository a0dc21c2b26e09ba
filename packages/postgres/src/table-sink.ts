// A sink that is a table of the user's: one row per record, fields by name, added or upserted.
import { TandemError, toError, type OutputCursor } from '@tandem/ports';
import { BinaryArray } from './binary.ts';
import type { Connection } from './connection.ts';
import type { PostgresTableSinkBinding } from './log-configuration.ts';
import { openingGuard, type SinkWriter } from './publisher-sink.ts';
import { checkTable, type CheckedColumn } from './table-layout.ts';

export class TableSink implements SinkWriter {
  readonly sink: string;
  readonly target: string;
  count = 0;
  readonly #binding: PostgresTableSinkBinding;
  readonly #name: string;
  #columns: readonly CheckedColumn[] = [];
  #arrays: readonly BinaryArray[] = [];
  #text = '';

  /** `index` among the sinks: names the prepared statement. */
  constructor(sink: string, index: number, binding: PostgresTableSinkBinding) {
    this.sink = sink;
    this.target = `table ${binding.table}`;
    this.#binding = binding;
    this.#name = `table ${String(index)}`;
  }

  async prepare(connection: Connection): Promise<number> {
    const { table, columns } = await checkTable(connection, this.sink, this.#binding);
    this.#columns = columns;
    this.#arrays = columns.map(() => new BinaryArray('text'));
    this.#text = insertStatement(table, columns, this.#binding.upsert);
    return 1;
  }

  add(output: OutputCursor): void {
    const fields = this.#fieldsOf(output);
    this.#columns.forEach((column, index) => {
      const text = this.#textFor(column, output, fields);
      const array = this.#arrays[index];
      if (text === null) array?.addNull();
      else array?.addText(text);
    });
    this.count++;
  }

  statement(opening: string): { readonly name: string; readonly text: string; readonly values: unknown[] } {
    return { name: this.#name, text: this.#text, values: [...this.#arrays.map((array) => array.parameter()), opening] };
  }

  reset(): void {
    this.count = 0;
    for (const array of this.#arrays) array.reset();
  }

  /** A record without a value has no fields: its columns are null. */
  #fieldsOf(output: OutputCursor): Readonly<Record<string, unknown>> {
    if (output.valueEnd < 0) return {};
    const text = output.bytes.toString('utf8', output.valueStart, output.valueEnd);
    const value = parseJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TandemError(
        'sink-value',
        `sink '${this.sink}' cannot write to ${this.target}: a value is not a JSON object: ${text.slice(0, 80)}. Its fields are what goes into the columns.`,
        { blame: 'user' },
      );
    }
    return value as Readonly<Record<string, unknown>>;
  }

  #textFor(column: CheckedColumn, output: OutputCursor, fields: Readonly<Record<string, unknown>>): string | null {
    const { source } = column;
    try {
      if (source.from === 'timestamp') return toText(output.timestamp_ms, column.kind);
      if (source.from === 'field') return toText(fields[source.field], column.kind);
      if (output.keyEnd < 0) return null;
      const key = output.bytes.subarray(output.keyStart, output.keyEnd);
      return column.kind === 'bytes' ? `\\x${key.toString('hex')}` : toText(key.toString('utf8'), column.kind);
    } catch (thrown) {
      throw new TandemError(
        'sink-value',
        `sink '${this.sink}' cannot write to ${this.target}: column '${column.name}': ${toError(thrown).message}`,
        { blame: 'user', cause: thrown },
      );
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A field as text that PostgreSQL's input function for the column's type takes. */
function toText(value: unknown, kind: CheckedColumn['kind']): string | null {
  if (value === undefined || value === null) return null;
  if (kind === 'json') return JSON.stringify(value);
  if (kind === 'time' && typeof value === 'number') return new Date(value).toISOString();
  if (kind === 'bytes' && typeof value === 'string') return `\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return JSON.stringify(value);
}

/** Casts are without length or precision: an explicit cast to varchar(3) would cut silently, assignment refuses. */
function insertStatement(
  table: string,
  columns: readonly CheckedColumn[],
  upsert: readonly string[] | undefined,
): string {
  const names = columns.map((column) => quote(column.name));
  const typed = columns.map((column, i) => `u.c${String(i)}::${column.type} AS ${quote(column.name)}`);
  const arrays = columns.map((_, i) => `$${String(i + 1)}::text[]`);
  const aliases = columns.map((_, i) => `c${String(i)}`);
  const rows = `SELECT ${typed.join(', ')}, u.o AS "tandem ordinal"
  FROM unnest(${arrays.join(', ')}) WITH ORDINALITY AS u(${aliases.join(', ')}, o)
  WHERE ${openingGuard(`$${String(columns.length + 1)}`)}`;
  const list = names.join(', ');
  if (upsert === undefined) {
    return `INSERT INTO ${table} (${list}) SELECT ${list} FROM (${rows}) AS r ORDER BY "tandem ordinal"`;
  }
  // One statement may touch a row only once: of the records for the same row the last one counts.
  const keys = upsert.map(quote);
  const separateNulls = `CASE WHEN ${keys.map((key) => `${key} IS NULL`).join(' OR ')} THEN "tandem ordinal" END`;
  const newest = `SELECT DISTINCT ON (${keys.join(', ')}, ${separateNulls}) * FROM (${rows}) AS r
  ORDER BY ${keys.join(', ')}, ${separateNulls}, "tandem ordinal" DESC`;
  const others = names.filter((name) => !keys.includes(name)).map((name) => `${name} = excluded.${name}`);
  return `INSERT INTO ${table} (${list}) SELECT ${list} FROM (${newest}) AS n ORDER BY "tandem ordinal"
ON CONFLICT (${keys.join(', ')}) DO ${others.length === 0 ? 'NOTHING' : `UPDATE SET ${others.join(', ')}`}`;
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
