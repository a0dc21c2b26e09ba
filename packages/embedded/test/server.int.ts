// The launcher against the real programs: its own processes killed in every way that a machine does it.
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase, dropDatabase, startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { build } from 'esbuild';
import pg from 'pg';

jest.setTimeout(60_000);

let folder: string;
const servers: EmbeddedServer[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-embedded-test-'));
  await chmod(folder, 0o755);
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: { port?: number } = {}): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir: folder, ...options });
  servers.push(server);
  return server;
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline_ms = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline_ms) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A process of its own that starts the server and lives until it is killed; prints the server as one line of JSON. */
async function startOwner(): Promise<{ kill(): void; server: EmbeddedServer }> {
  // Beside this file, so that what is left out of the bundle is found from there.
  const file = path.join(__dirname, `.owner-${path.basename(folder)}.mjs`);
  await build({
    stdin: {
      contents: `
        import { startEmbedded } from '@tandem/embedded';
        const server = await startEmbedded({ dataDir: ${JSON.stringify(folder)} });
        console.log(JSON.stringify(server));
        setInterval(() => {}, 1000);`,
      resolveDir: __dirname,
    },
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@tandem/source'],
    external: ['pg'],
  });
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (text: Buffer) => {
        resolve(text.toString());
      });
      child.once('exit', () => {
        reject(new Error('the owner ended early'));
      });
    });
    return { kill: () => child.kill('SIGKILL'), server: JSON.parse(line) as EmbeddedServer };
  } finally {
    await rm(file, { force: true });
  }
}

it('starts on an empty folder, answers with its password only, and is gone after stop', async () => {
  const server = await start();
  expect(server.reused).toBe(false);
  expect(await ask(server.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  expect(await ask(server.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  const wrong = new URL(server.url);
  wrong.password = 'guess';
  await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow(/password/);
  expect((await stat(path.join(folder, 'password'))).mode & 0o777).toBe(0o600);

  await server.stop();
  await eventually('the server is gone', () => !exists(server.pid));
  await expect(ask(server.url, 'SELECT 1')).rejects.toThrow();
});

const itAsRoot = process.getuid?.() === 0 ? it : it.skip;
itAsRoot('goes elsewhere when the server’s user cannot reach the folder', async () => {
  await chmod(folder, 0o700);
  const server = await start();
  expect(server.dataDir).not.toBe(folder);
  expect(await ask(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await server.stop();
  await rm(server.dataDir, { recursive: true });
});

it('keeps data and port from one run to the next', async () => {
  const first = await start();
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop();

  const second = await start();
  expect(second).toMatchObject({ port: first.port, reused: false });
  expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

it('takes another port when the one of the last run is in use, and refuses one that was asked for', async () => {
  const first = await start();
  await first.stop();
  const squatter = await new Promise<Server>((resolve) => {
    const server = createServer().listen(first.port, '127.0.0.1', () => {
      resolve(server);
    });
  });
  try {
    await expect(startEmbedded({ dataDir: folder, port: first.port })).rejects.toMatchObject({ code: 'embedded-port' });
    expect((await start()).port).not.toBe(first.port);
  } finally {
    squatter.close();
  }
});

it('joins the server that already runs on the folder', async () => {
  const first = await start();
  const second = await start();
  expect(second).toMatchObject({ reused: true, pid: first.pid, url: first.url });
});

it('starts once when several ask at the same time', async () => {
  const all = await Promise.all([start(), start(), start()]);
  expect(new Set(all.map(({ pid }) => pid)).size).toBe(1);
  expect(all.filter(({ reused }) => !reused)).toHaveLength(1);
});

it('recovers after its server process was killed, with everything that was committed', async () => {
  const first = await start();
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  process.kill(first.pid, 'SIGKILL');

  const second = await start();
  expect(second.reused).toBe(false);
  expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

it('is not deceived by a pid file that names somebody else', async () => {
  const first = await start();
  await first.stop();
  await writeFile(
    path.join(folder, 'data', 'postmaster.pid'),
    [process.pid, path.join(folder, 'data'), 1, first.port, '', '127.0.0.1', '', 'ready   ', ''].join('\n'),
  );
  expect((await start()).reused).toBe(false);
});

it('does not start on a folder that was left half made', async () => {
  const first = await start();
  await first.stop();
  await rm(path.join(folder, 'data'), { recursive: true });
  await writeFile(path.join(folder, 'lock'), '999999999 left behind');
  expect((await start()).reused).toBe(false);
});

it('stops when its owner is killed', async () => {
  const owner = await startOwner();
  owner.kill();
  await eventually('the guard has stopped the server', () => !exists(owner.server.pid));
  await eventually('in good order', async () =>
    (await readFile(path.join(folder, 'server.log'), 'utf8')).includes('database system is shut down'),
  );
});

it('lives on for the owner that is left', async () => {
  const owner = await startOwner();
  const joined = await start();
  expect(joined).toMatchObject({ reused: true, pid: owner.server.pid });
  owner.kill();
  await eventually('the dead owner is off the list', async () => {
    return (await readdir(path.join(folder, 'owners'))).length === 1;
  });
  expect(await ask(joined.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('makes a database once and drops it with its sessions', async () => {
  const { url } = await start();
  const made = await createDatabase(url, 'shop "x"');
  expect(await createDatabase(url, 'shop "x"')).toBe(made);
  expect(await ask(made, 'SELECT current_database() AS name')).toEqual([{ name: 'shop "x"' }]);
  const session = new pg.Client({ connectionString: made });
  session.on('error', () => undefined);
  await session.connect();
  await dropDatabase(made, 'shop "x"');
  await expect(ask(made, 'SELECT 1')).rejects.toThrow(/does not exist/);
  await session.end().catch(() => undefined);
});
