// Reads the whole input log and everything published, as anybody could, and compares it with the reference.
import { compare, partitionOf, type Due, type Logs, type Verdict } from '@tandem/harness';
import pg from 'pg';
import { partText, Reference, textOfCount } from './reference.ts';

export const partitions = 4;
export const inputLog = 'numbers';
export const countsLog = 'counts';
export const partsTable = 'parts';

/** Where inputs and outputs are, reached without any proxy. */
export interface Published {
  readonly logs: Pick<Logs, 'read'>;
  /** Of the database with the table. */
  readonly url: string;
}

export interface Expected {
  readonly inputs: number;
  /** By partition. */
  readonly counts: readonly (readonly Due[])[];
  readonly parts: readonly (readonly Due[])[];
}

export interface Checked extends Verdict {
  /** Records of the log and rows of the table that were found. */
  readonly outputs: number;
  /** Where the first few things are wrong, for people. */
  readonly examples: readonly string[];
}

const pageSize = 5000;
const exampleLimit = 5;

export async function computeExpected({ logs }: Pick<Published, 'logs'>): Promise<Expected> {
  const references: Reference[] = [];
  let inputs = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const reference = new Reference();
    references.push(reference);
    for await (const page of logs.read(inputLog, partition)) {
      for (const record of page) reference.take(record);
      inputs += page.length;
    }
  }
  return { inputs, counts: references.map(({ counts }) => counts), parts: references.map(({ parts }) => parts) };
}

export function countOf(due: readonly (readonly Due[])[]): number {
  return due.reduce((sum, list) => sum + list.length, 0);
}

export async function checkPublished(published: Published, expected: Expected): Promise<Checked> {
  const total = { lost: 0, duplicated: 0, reordered: 0, outputs: 0, examples: [] as string[] };
  const add = (where: string, due: readonly Due[], found: readonly string[]) => {
    const { lost, duplicated, reordered } = compare(due, found);
    total.lost += lost;
    total.duplicated += duplicated;
    total.reordered += reordered;
    total.outputs += found.length;
    const difference = firstDifference(due, found);
    if (difference !== undefined && total.examples.length < exampleLimit) {
      total.examples.push(`${where}: ${difference}`);
    }
  };
  const rows = await readParts(published.url);
  for (let partition = 0; partition < partitions; partition++) {
    const found: string[] = [];
    for await (const page of published.logs.read(countsLog, partition)) found.push(...page.map(textOfCount));
    add(`${countsLog}, partition ${partition.toString()}`, expected.counts[partition] ?? [], found);
    add(`${partsTable}, partition ${partition.toString()}`, expected.parts[partition] ?? [], rows[partition] ?? []);
  }
  return total;
}

function firstDifference(due: readonly Due[], found: readonly string[]): string | undefined {
  for (let at = 0; at < Math.max(due.length, found.length); at++) {
    if (due[at]?.text === found[at]) continue;
    return (
      `output ${at.toString()} of ${due.length.toString()} (${found.length.toString()} are there): ` +
      `due (${due[at]?.text ?? 'nothing'}), found (${found[at] ?? 'nothing'})`
    );
  }
  return undefined;
}

/** Rows that are committed now, in the order in which they were added, by the partition of their key. */
async function readParts(url: string): Promise<readonly (readonly string[])[]> {
  const found: string[][] = Array.from({ length: partitions }, () => []);
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (let last = '0'; ;) {
      const { rows } = await client.query<{ id: string; key: string; n: string; count: string; part: number }>(
        `SELECT id, key, n, count, part FROM ${partsTable} WHERE id > $1 ORDER BY id LIMIT ${pageSize.toString()}`,
        [last],
      );
      for (const { key, n, count, part } of rows) {
        found[partitionOf(key, partitions)]?.push(partText(key, n, count, part));
      }
      const end = rows.at(-1);
      if (end === undefined) return found;
      last = end.id;
    }
  } finally {
    await client.end();
  }
}

/** The table of parts, empty; `id` tells in which order rows were added. */
export async function createPartsTable(url: string, tablespace?: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `CREATE TABLE ${partsTable} (id bigint GENERATED ALWAYS AS IDENTITY, key text, n bigint, count bigint, part int)` +
        (tablespace === undefined ? '' : ` TABLESPACE ${tablespace}`),
    );
    await client.query(`CREATE INDEX ON ${partsTable} (id)`);
  } finally {
    await client.end();
  }
}
