// Databases on any server: made when missing, dropped with their sessions.
import pg from 'pg';

/** Makes the database unless it is there. @returns its url. */
export async function createDatabase(url: string, name: string): Promise<string> {
  await withClient(url, async (client) => {
    try {
      // template0: never connected to, so several may be copied at once.
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE template0`);
    } catch (thrown) {
      if (!isDuplicateDatabase(thrown)) throw thrown;
    }
  });
  const made = new URL(url);
  made.pathname = `/${encodeURIComponent(name)}`;
  return made.href;
}

/** Ends its sessions; nothing happens when it is not there. `url` may be of the database itself. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  await withClient(maintenance.href, (client) =>
    client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
  );
}

export async function listDatabases(url: string, prefix: string): Promise<readonly string[]> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY datname',
      [prefix],
    );
    return rows.map((row) => row.datname);
  });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** 42P04, or 23505 when two make the same one at the same moment. */
function isDuplicateDatabase(thrown: unknown): boolean {
  return thrown instanceof pg.DatabaseError && (thrown.code === '42P04' || thrown.code === '23505');
}
