// Makes a right output table wrong, so that anybody can see that the check of a run finds it.
import type pg from 'pg';
import { partsTable } from './checker.ts';

export const spoilings = ['lost', 'duplicated', 'reordered'] as const;
export type Spoiling = (typeof spoilings)[number];

const fields = 'key, n, count, part';

/** The row in the middle of the table is removed, added once more, or changes places with the next one of its key. */
export async function spoilTable(client: Pick<pg.Client, 'query'>, how: Spoiling): Promise<void> {
  const middle = `(SELECT id FROM ${partsTable} ORDER BY id OFFSET (SELECT count(*) / 2 FROM ${partsTable}) LIMIT 1)`;
  switch (how) {
    case 'lost':
      await client.query(`DELETE FROM ${partsTable} WHERE id = ${middle}`);
      return;
    case 'duplicated':
      await client.query(
        `INSERT INTO ${partsTable} (${fields}) SELECT ${fields} FROM ${partsTable} WHERE id = ${middle}`,
      );
      return;
    case 'reordered':
      // To the end: added anew, the old one removed.
      await client.query(
        `INSERT INTO ${partsTable} (${fields}) SELECT ${fields} FROM ${partsTable} WHERE id = ${middle}`,
      );
      await client.query(
        `DELETE FROM ${partsTable} WHERE id = (SELECT min(p.id) FROM ${partsTable} p JOIN ${partsTable} q ` +
          'ON q.id > p.id AND (q.key, q.n, q.count, q.part) = (p.key, p.n, p.count, p.part))',
      );
      return;
  }
}
