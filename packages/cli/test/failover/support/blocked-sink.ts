// Output logs that take nothing: somebody else holds the rows that whoever appends must have.
import pg from 'pg';
import type { Stage } from './stage.ts';

/** Nobody can append to these logs until what this returns is called; calling it again does nothing. */
export async function blockSink(stage: Stage, ...logs: readonly string[]): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: stage.url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT 1 FROM tandem.head WHERE log = ANY ($1) ORDER BY log, partition FOR UPDATE', [logs]);
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    await client.query('COMMIT');
    await client.end();
  };
  return () => (released ??= release());
}
