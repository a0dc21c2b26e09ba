// What only PostgreSQL's coordinator can get wrong: real processes that die or stop, a server that goes away,
// sessions ended by an administrator, and what waiting costs the database.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sharedTestServer, startEmbedded, type TestDatabase } from '@tandem/embedded';
import type { Epoch, Member, View } from '@tandem/pair';
import type { Coordinator } from '@tandem/ports';
import {
  createPostgresCoordinator,
  createPostgresCoordinatorReader,
  openConnection,
  type Connection,
} from '@tandem/postgres';
import { clock, until } from '@tandem/ports/contract';

jest.setTimeout(60_000);

let database: TestDatabase;
let admin: Connection;
let pair = 'none';
let pairs = 0;
const joined: Coordinator[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
  admin = await openConnection({ url: database.url, role: 'test' });
});

beforeEach(() => {
  pairs += 1;
  pair = `pair-${String(pairs)}`;
});

afterEach(async () => {
  await Promise.all(joined.splice(0).map((each) => each.leave()));
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

afterAll(async () => {
  await admin.close();
  await database.drop();
});

async function join(node: string, url = database.url) {
  const coordinator = createPostgresCoordinator({ url, schema: 'tandem', pair, sessionTimeout_ms: 1000, clock });
  joined.push(coordinator);
  const self: Member = { node, incarnation: `${node}-here`, address: 'http://127.0.0.1:2' };
  const views: View[] = [];
  const connection: string[] = [];
  await coordinator.join(self, {
    onView: (view) => views.push(view),
    onConnection: (state) => connection.push(state),
  });
  return { coordinator, self, connection, view: () => views.at(-1) };
}

async function activeProcess(node: string) {
  const script = path.join(__dirname, 'support', 'member-process.ts');
  const run = path.join(__dirname, '..', '..', '..', 'scripts', 'run.mjs');
  const child = spawn(process.execPath, [run, script, database.url, pair, node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  await until(() => output.includes('active'));
  return { child, output: () => output };
}

describe('the coordinator on PostgreSQL', () => {
  it('shows that a process was killed, long before its lease is over', async () => {
    const { child } = await activeProcess('a');
    const b = await join('b');
    await until(() => b.view()?.active?.node === 'a');
    // Renewed a moment ago, as far as the lease goes for another minute.
    await until(async () => (await sessionsOf('watch b')).length === 1);
    child.kill('SIGSTOP');
    await admin.query(`UPDATE tandem.member SET expires_at = expires_at + interval '1 minute' WHERE pair = $1`, [pair]);
    child.kill('SIGKILL');
    await until(() => b.view()?.active === undefined);
    expect(b.view()).toEqual({ epoch: 1, active: undefined, members: [b.self] });
    expect(await b.coordinator.claim(1 as Epoch)).toEqual({ outcome: 'won', epoch: 2 });
  });

  it('expires a process that was stopped, and takes it back in as a member when it goes on', async () => {
    const { child, output } = await activeProcess('a');
    const b = await join('b');
    await until(() => b.view()?.active?.node === 'a');
    child.kill('SIGSTOP');
    await until(() => b.view()?.active === undefined);
    expect(await b.coordinator.claim(1 as Epoch)).toEqual({ outcome: 'won', epoch: 2 });
    child.kill('SIGCONT');
    await until(() => output().includes('back'));
    await until(() => b.view()?.members.length === 2);
    expect(b.view()).toMatchObject({ epoch: 2, active: b.self });
  });

  it('lets a process start again at once under the node id of one that was killed', async () => {
    const { child } = await activeProcess('a');
    child.kill('SIGKILL');
    const a = await join('a');
    expect(a.view()).toEqual({ epoch: 1, active: undefined, members: [a.self] });
  });

  it('lets a member whose session was ended come back as the active it was', async () => {
    const a = await join('a');
    const b = await join('b');
    await a.coordinator.claim(undefined);
    await until(() => b.view()?.active?.node === 'a');
    for (let round = 0; round < 3; round += 1) {
      const before = await sessionsOf('coordinator a');
      await admin.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [before]);
      await until(async () => {
        const now = await sessionsOf('coordinator a');
        return now.length === 1 && now[0] !== before[0] && b.view()?.active?.node === 'a';
      });
    }
    expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
    expect(await a.coordinator.readView()).toEqual({ epoch: 1, active: a.self, members: [a.self, b.self] });
  });

  it('goes on after the server was stopped and started again', async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'tandem-coordinator-'));
    let server = await startEmbedded({ dataDir });
    try {
      const a = await join('a', server.url);
      const b = await join('b', server.url);
      await a.coordinator.claim(undefined);
      await until(() => b.view()?.active !== undefined);
      const { port } = server;
      await server.stop();
      await until(() => a.connection.length > 0 && b.connection.length > 0);
      expect(await a.coordinator.verify(1 as Epoch)).toBe('unanswered');
      expect((await b.coordinator.claim(1 as Epoch)).outcome).toBe('unknown');
      server = await startEmbedded({ dataDir, port });
      await until(() => a.connection.length === 2 && b.connection.length === 2);
      expect(a.connection).toEqual(['lost', 'back']);
      await until(() => b.view()?.members.length === 2);
      expect(b.view()).toMatchObject({ epoch: 1, active: a.self });
      expect(await a.coordinator.verify(1 as Epoch)).toBe('current');
      await Promise.all(joined.splice(0).map((each) => each.leave()));
    } finally {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('does not hold back vacuum while it waits for the end of a session', async () => {
    const a = await join('a');
    const b = await join('b');
    await a.coordinator.claim(undefined);
    await until(() => b.view()?.active !== undefined);
    const oldest = async () => {
      const { rows } = await admin.query<{ xmin: string | null }>(
        `SELECT backend_xmin::text AS xmin FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'tandem watch b' AND backend_xmin IS NOT NULL`,
      );
      return rows[0]?.xmin;
    };
    await until(async () => (await oldest()) !== undefined);
    const first = await oldest();
    // Renewals make new transactions all the time; a wait that is begun anew sees them.
    await until(async () => {
      const now = await oldest();
      return now !== undefined && now !== first;
    });
    expect(await sessionsOf('watch b')).toHaveLength(1);
  });

  it('leaves no session behind', async () => {
    const a = await join('a');
    const b = await join('b');
    await a.coordinator.claim(undefined);
    await until(async () => (await sessionsOf('watch b')).length === 1);
    await a.coordinator.leave();
    await b.coordinator.leave();
    await until(
      async () => (await sessionsOf('coordinator a')).length + (await sessionsOf('coordinator b')).length === 0,
    );
    await until(async () => (await sessionsOf('watch b')).length === 0);
  });

  it('shows an empty view of a schema nobody made yet, and says that a database is not there', async () => {
    const reader = createPostgresCoordinatorReader({ url: database.url, schema: 'never_made', pair });
    expect(await reader.readView()).toEqual({ epoch: undefined, active: undefined, members: [] });
    const gone = new URL(database.url);
    gone.pathname = '/not_there';
    const nowhere = createPostgresCoordinatorReader({ url: gone.href, schema: 'tandem', pair });
    await expect(nowhere.readView()).rejects.toMatchObject({ code: 'database-missing', blame: 'user' });
  });

  it('gives the view and the app records to tools that have not joined', async () => {
    const a = await join('a');
    await a.coordinator.claim(undefined);
    const tool = createPostgresCoordinator({
      url: database.url,
      schema: 'tandem',
      pair,
      sessionTimeout_ms: 1000,
      clock,
    });
    expect(await tool.readView()).toEqual({ epoch: 1, active: a.self, members: [a.self] });
    const record = { lanes: 1, appVersion: 1, topologyHash: 'abc', genesis: {}, initialised: [] };
    expect(await tool.writeAppRecord('orders', record, undefined)).toBe(true);
    expect(await a.coordinator.readAppRecord('orders')).toEqual({ version: 1, record });
    await tool.deleteAppRecord('orders');
    expect(await tool.readAppRecord('orders')).toBeUndefined();
  });

  async function sessionsOf(name: string): Promise<number[]> {
    const { rows } = await admin.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1',
      [`tandem ${name}`],
    );
    return rows.map((row) => row.pid);
  }
});
