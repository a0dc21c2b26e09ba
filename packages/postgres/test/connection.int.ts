import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { openConnection, redactUrl } from '@tandem/postgres';
import { createServer, type AddressInfo } from 'node:net';

let database: TestDatabase;

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
});

afterAll(async () => {
  await database.drop();
});

function changed(change: (url: URL) => void): string {
  const url = new URL(database.url);
  url.password = 'pass/wörd?secret';
  change(url);
  return url.href;
}

async function failure(url: string, connectLimit_ms = 5000): Promise<{ code: string; blame: string; message: string }> {
  return openConnection({ url, role: 'test', connectLimit_ms }).then(
    () => {
      throw new Error('it connected');
    },
    (thrown: unknown) => thrown as { code: string; blame: string; message: string },
  );
}

describe('a connection', () => {
  it('carries its role and node, and the settings that were asked for', async () => {
    const url = new URL(database.url);
    url.searchParams.set('options', '-c idle_session_timeout=7s');
    const connection = await openConnection({
      url: url.href,
      role: 'coordinator',
      node: 'a',
      settings: { idle_session_timeout: '1234' },
    });
    const { rows } = await connection.query<{ name: string; idle: string }>(
      `SELECT current_setting('application_name') AS name, current_setting('idle_session_timeout') AS idle`,
    );
    expect(rows).toEqual([{ name: 'tandem coordinator a', idle: '1234ms' }]);
    await connection.close();
    expect(connection.isClosed).toBe(true);
  });

  it('says where nobody answers, but not the password', async () => {
    const error = await failure(changed((url) => (url.port = '1')));
    expect(error).toMatchObject({ code: 'database-unreachable', blame: 'failure' });
    expect(error.message).toContain('127.0.0.1:1/');
    expect(error.message).not.toMatch(/secret/);
  });

  it('says so when somebody takes the connection and does not answer', async () => {
    const silent = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const error = await failure(
      changed((url) => (url.port = String(port))),
      50,
    );
    expect(error).toMatchObject({ code: 'database-unreachable' });
    expect(error.message).toContain('no answer in time');
    await new Promise((resolve) => silent.close(resolve));
  });

  it('blames the user for a login that is refused', async () => {
    const error = await failure(changed((url) => (url.username = 'nobody_at_all')));
    expect(error).toMatchObject({ code: 'database-authentication', blame: 'user' });
    expect(error.message).not.toMatch(/secret/);
  });

  it('blames the user for a database that does not exist', async () => {
    const url = new URL(database.url);
    url.pathname = '/not_there';
    expect(await failure(url.href)).toMatchObject({ code: 'database-missing', blame: 'user' });
  });

  it('is given up when a query takes too long', async () => {
    const connection = await openConnection({ url: database.url, role: 'test' });
    await expect(connection.query('SELECT pg_sleep(60)', [], 50)).rejects.toMatchObject({ code: 'database-timeout' });
    await connection.closed;
    expect(connection.isClosed).toBe(true);
  });

  it('is given up when its owner stops, also while it is being opened', async () => {
    const stop = new AbortController();
    const connection = await openConnection({ url: database.url, role: 'test', signal: stop.signal });
    stop.abort();
    await connection.closed;
    await expect(openConnection({ url: database.url, role: 'test', signal: stop.signal })).rejects.toThrow();
  });

  it('shows a URL without its password, wherever it stands', () => {
    expect(redactUrl('postgres://me:a@b:c@host:5432/db?x=1')).toBe('postgres://me:***@host:5432/db?x=1');
    expect(redactUrl('postgres://me@host/db?password=abc&ssl=true')).toBe(
      'postgres://me@host/db?password=***&ssl=true',
    );
    expect(redactUrl('postgres://host/db')).toBe('postgres://host/db');
  });
});
