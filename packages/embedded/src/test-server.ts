// One PostgreSQL server per checkout for all test files of a run; each file makes its own database.
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDatabase, dropDatabase, listDatabases } from './databases.ts';
import { startEmbedded } from './server.ts';

export interface TestServer {
  /** Of the server's own database; tests make theirs. */
  readonly url: string;
  createDatabase(): Promise<TestDatabase>;
}

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Ends its sessions and removes it. */
  drop(): Promise<void>;
}

const prefix = 'test_';

/**
 * Starts the server or joins the one that runs; never stopped by hand: it ends when the last process that called this
 * is gone. TANDEM_TEST_DATABASE_URL names another server to use instead.
 */
export async function sharedTestServer(): Promise<TestServer> {
  const url = process.env['TANDEM_TEST_DATABASE_URL'] ?? (await sharedUrl());
  return {
    url,
    createDatabase: async () => {
      const name = `${prefix}${process.pid.toString()}_${randomBytes(4).toString('hex')}`;
      return { url: await createDatabase(url, name), name, drop: () => dropDatabase(url, name) };
    },
  };
}

async function sharedUrl(): Promise<string> {
  const checkout = fileURLToPath(new URL('../../..', import.meta.url));
  const key = `${(process.getuid?.() ?? 0).toString()} ${checkout}`;
  const name = `tandem-test-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`;
  const server = await startEmbedded({
    dataDir: path.join(tmpdir(), name),
    // What a test writes need not survive the machine; a killed server process loses nothing by this.
    settings: { fsync: 'off', shared_buffers: '128MB', max_connections: '400' },
  });
  if (!server.reused) {
    for (const left of await listDatabases(server.url, prefix)) await dropDatabase(server.url, left);
  }
  return server.url;
}
