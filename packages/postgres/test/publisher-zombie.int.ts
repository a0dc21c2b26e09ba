import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestDatabase } from '@tandem/embedded';
import { asEpoch } from '@tandem/pair';
import { build } from 'esbuild';
import { until } from '@tandem/ports/contract';
import { freshDatabase, withClient } from './support/database.ts';
import { createPublisher, holdLock, rows } from './support/publishing.ts';

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await freshDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'zombie-'));
  await build({
    entryPoints: [path.join(__dirname, 'support/zombie.ts')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    conditions: ['@tandem/source'],
    external: ['pg-native'],
    outfile: path.join(folder, 'zombie.cjs'),
    logLevel: 'error',
  });
}, 60_000);

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

describe('a publisher that is stopped inside an open transaction', () => {
  it('has its session ended by the one that opens after it, and is fenced when it wakes', async () => {
    await withClient(database.url, (client) => client.query('CREATE TABLE target (name text)'));
    const release = await holdLock(database.url, 'LOCK TABLE target');
    const child = spawn(process.execPath, [path.join(folder, 'zombie.cjs'), database.url, 'app', 'target', 'bulk'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const exited = new Promise((resolve) => child.on('exit', resolve));
    try {
      const backend = (condition: string) =>
        withClient(database.url, async (client) => {
          const found = await client.query(
            `SELECT 1 FROM tandem.fence f JOIN pg_stat_activity a ON a.pid = f.backend_pid WHERE ${condition}`,
          );
          return found.rowCount === 1;
        });
      await until(async () => said.includes('opened') && (await backend("a.wait_event_type = 'Lock'")));
      child.kill('SIGSTOP');
      await release();
      // It wrote its row, holds the fence, and waits for the rest of the transaction.
      await until(() => backend("a.wait_event = 'ClientRead' AND a.backend_xid IS NOT NULL"));

      const sinks = { row: { table: 'target', columns: { key: 'name' } } };
      const successor = await createPublisher(database.url, 'app', sinks);
      await successor.layout();
      expect(await successor.open(asEpoch(2), undefined)).toEqual({ outcome: 'opened', storedEpoch: 1 });
      expect((await successor.readBack()).positions).toEqual(new Map([['in/0', 0]]));
      expect(await successor.publish(rows(0, 1, [['successor', {}]]))).toEqual({ outcome: 'published' });

      child.kill('SIGCONT');
      await exited;
      expect(said).toBe(`opened\n${JSON.stringify({ outcome: 'fenced', byEpoch: 2 })}\n`);
      await withClient(database.url, async (client) => {
        expect((await client.query('SELECT name FROM target')).rows).toEqual([{ name: 'successor' }]);
        expect((await client.query('SELECT 1 FROM tandem.log_bulk')).rowCount).toBe(0);
      });
      await successor.close();
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
  }, 60_000);
});
