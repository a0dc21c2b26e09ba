// Every command as a process, against a real pair on a real PostgreSQL.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { eventually, start, tandem, type Running } from './process.ts';

jest.setTimeout(90_000);

const appModule = path.resolve(__dirname, '../../../apps/orders/app.ts');
const token = 'a-token-of-twenty-letters';

let database: TestDatabase;
let folder: string;
const nodes: Running[] = [];

const text = (edit: (text: string) => string = (same) => same): string =>
  edit(`pair: orders
node: { id: \${NODE}, listen: "127.0.0.1:\${PORT}", token: \${TOKEN:-${token}} }
postgres: { url: \${DATABASE} }
coordinator: { postgres: { sessionTimeout: 1s } }
store: { postgres: {} }
apps:
  - module: ${appModule}
    sources: { orders: { postgres: { log: orders, create: { partitions: 2 } } } }
    sinks:
      totals: { postgres: { log: totals, create: { partitions: 1 } } }
      perMinute: { postgres: { log: minutes, create: { partitions: 1 } } }
      deadLetter: { postgres: { log: dead, create: { partitions: 1 } } }
`);

async function configure(name: string, edit?: (text: string) => string): Promise<string> {
  await writeFile(path.join(folder, name), text(edit));
  return name;
}

const environment = (node: string, port: number | string, more: Readonly<Record<string, string>> = {}) => ({
  NODE: node,
  PORT: String(port),
  DATABASE: database.url,
  ...more,
});

function run(node: string, port: number): Running {
  const running = start(['run', '--config', 'tandem.yaml'], environment(node, port), folder);
  nodes.push(running);
  return running;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-cli-test-'));
  await configure('tandem.yaml');
});

afterEach(async () => {
  for (const { child } of nodes) child.kill('SIGKILL');
  await Promise.all(nodes.splice(0).map(({ ended }) => ended));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await database.drop();
});

describe('mistakes are one line and exit code 2', () => {
  test('a missing file', async () => {
    expect(await tandem(['validate', '-c', 'none.yaml'], {}, folder)).toEqual({
      code: 2,
      out: '',
      error: 'none.yaml: there is no such file. Name the configuration with --config or in TANDEM_CONFIG\n',
    });
  });

  test('an unknown command and an unknown option', async () => {
    const command = await tandem(['statsu']);
    expect(command.code).toBe(2);
    expect(command.error).toContain("tandem: unknown command 'statsu'\n(Did you mean status?)");
    const option = await tandem(['run', '--confg', 'x']);
    expect(option.code).toBe(2);
    expect(option.error).toContain("tandem: unknown option '--confg'\n(Did you mean --config?)");
  });

  test('a source that the app does not have', async () => {
    await configure('binding.yaml', (same) => same.replace('sources: { orders:', 'sources: { ordres:'));
    const found = await tandem(['validate', '-c', 'binding.yaml', '--offline'], environment('a', 0), folder);
    expect(found).toMatchObject({
      code: 2,
      error: [
        "binding.yaml:8: apps[0].sources.ordres: app 'orders' has no source of this name. Did you mean 'orders'?",
        "binding.yaml:8: apps[0].sources: source 'orders' of app 'orders' is not connected. Add it: orders: { ... }",
        '',
      ].join('\n'),
    });
  });

  test('an app module that is not there, and an export that it does not have', async () => {
    await configure('module.yaml', (same) => same.replace(appModule, './none.ts'));
    const missing = await tandem(['run', '-c', 'module.yaml'], environment('a', 0), folder);
    expect(missing.code).toBe(2);
    expect(missing.error).toMatch(/^module\.yaml:7: apps\[0\]\.module: there is no file .*none\.ts; .*\n$/);
    await configure('export.yaml', (same) => same.replace('    sources:', '    export: ordres\n    sources:'));
    const unknown = await tandem(['run', '-c', 'export.yaml'], environment('a', 0), folder);
    expect(unknown.code).toBe(2);
    expect(unknown.error).toMatch(/^export\.yaml:7: apps\[0\]\.module: .*'ordres'.*\n$/);
  });

  test('a log level that is none', async () => {
    const found = await tandem(['run', '--log-level', 'wran'], environment('a', 0), folder);
    expect(found).toMatchObject({ code: 2, error: "tandem: 'wran' is not a log level. Did you mean 'warn'?\n" });
  });
});

describe('what cannot be reached is one line and exit code 1', () => {
  const nowhere = { DATABASE: 'postgres://me:open-sesame@127.0.0.1:1/db' };

  test.each([['run'], ['validate'], ['reset orders']])('a database that is not there: %s', async (words) => {
    const found = await tandem(words.split(' '), { ...environment('a', 0), ...nowhere }, folder);
    expect(found.code).toBe(1);
    expect(found.error).toMatch(/^tandem: .*127\.0\.0\.1:1.*\n$/);
    expect(found.error + found.out).not.toContain('open-sesame');
  });

  test('a node that is not there', async () => {
    const port = await freePort();
    const found = await tandem(['switchover', '--url', `http://127.0.0.1:${String(port)}`]);
    expect(found).toEqual({
      code: 1,
      out: '',
      error: `tandem: no node answers at http://127.0.0.1:${String(port)}: nothing listens there. Start it, or name another with --url\n`,
    });
  });

  test('a port that is in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const found = await tandem(['run'], environment('a', port), folder);
    await new Promise((resolve) => server.close(resolve));
    expect([1, 2]).toContain(found.code);
    expect(found.error).toMatch(new RegExp(`^tandem: .*${String(port)}.*\n$`));
  });
});

test('validate says what it found', async () => {
  const found = await tandem(['validate'], environment('a', 0), folder);
  expect(found.error).toBe('');
  expect(found.out).toMatch(/^configuration \.\/tandem\.yaml: pair orders, node a\n/);
  expect(found.out).toMatch(/app orders version 1: 1 lane, topology [0-9a-f]{16}/);
  expect(found.out).toMatch(/source orders: postgres log orders, create \{"partitions":2\}, from earliest\n/);
  expect(found.out).toMatch(/postgres: PostgreSQL \d+.*\nok\n$/);
  expect(found.code).toBe(0);
});

test('a pair: status, snapshots, switchover, a signal, and reset when all is over', async () => {
  const [portA, portB] = [await freePort(), await freePort()];
  const a = run('a', portA);
  const asA = environment('a', portA);
  const statusOf = async () => {
    const found = await tandem(['status', '--json'], asA, folder);
    if (found.out === '') throw new Error(found.error);
    return {
      code: found.code,
      ...(JSON.parse(found.out) as { active: string | null; nodes: unknown[]; problems: string[] }),
    };
  };
  await eventually('a is active and live', async () => {
    const { active, problems } = await statusOf();
    if (active === 'a' && problems.length === 1) return true;
    throw new Error(JSON.stringify(problems) + a.out());
  });

  const alone = await tandem(['status'], asA, folder);
  expect(alone.code).toBe(0);
  expect(alone.out).toMatch(/^pair orders {3}epoch 1 {3}active a\n/);
  expect(alone.out).toContain('only one node is running: there is nobody to take over');

  const wrong = { ...asA, TANDEM_TOKEN: 'x'.repeat(20) };
  const url = `http://127.0.0.1:${String(portA)}`;
  expect(await tandem(['status', '--url', url], wrong)).toMatchObject({
    code: 2,
    error: `tandem: ${url} does not accept this token. Give it with --token, in TANDEM_TOKEN or as node.token in the configuration\n`,
  });
  expect(await tandem(['status', '--url', url], {})).toMatchObject({
    code: 2,
    error: `tandem: ${url} wants a token. Give it with --token, in TANDEM_TOKEN or as node.token in the configuration\n`,
  });
  expect(await tandem(['snapshot', 'take', 'ordres'], asA, folder)).toMatchObject({
    code: 2,
    error: "tandem: there is no app 'ordres' on this node. Did you mean 'orders'?\n",
  });

  const taken = await tandem(['snapshot', 'take', 'orders'], asA, folder);
  expect(taken).toMatchObject({ code: 0, error: '' });
  expect(taken.out).toMatch(/^stored revision \d+ of orders, /);
  const listed = await tandem(['snapshot', 'list', 'orders'], asA, folder);
  expect(listed.out).toMatch(/REVISION {2}TAKEN.*\n.*orders\/0:0 orders\/1:0\n/);
  const saved = await tandem(['snapshot', 'download', 'orders', '-o', 'saved.gz'], asA, folder);
  expect(saved).toMatchObject({ code: 0, error: '' });
  expect(gunzipSync(await readFile(path.join(folder, 'saved.gz'))).length).toBeGreaterThan(0);

  const b = run('b', portB);
  await eventually('nothing is wrong', async () => {
    const { nodes: seen, problems } = await statusOf();
    if (seen.length === 2 && problems.length === 0) return true;
    throw new Error(JSON.stringify(problems) + b.out());
  });
  const handed = await tandem(['switchover'], asA, folder);
  expect(handed).toMatchObject({ code: 0, error: '' });
  expect(handed.out).toMatch(/^a has handed over in \S+, b is active in epoch 2\n$/);

  expect(await tandem(['reset', 'orders', '--yes'], asA, folder)).toMatchObject({
    code: 2,
    out: '',
    error: expect.stringMatching(
      /^tandem: a \(.*\) and b \(.*\) are alive\. Stop every node of pair orders first;/,
    ) as string,
  });

  await eventually('the old active has rejoined', async () =>
    (await statusOf()).problems.length === 0 ? true : undefined,
  );
  b.child.kill('SIGTERM');
  expect(await b.ended).toMatchObject({ code: 0, error: '' });
  await eventually('a is active again', async () => ((await statusOf()).active === 'a' ? true : undefined));
  a.child.kill('SIGTERM');
  expect(await a.ended).toMatchObject({ code: 0, error: '' });

  const none = await tandem(['status'], asA, folder);
  expect(none.code).toBe(1);
  expect(none.out).toContain('no node is active: nothing is published');

  expect(await tandem(['reset', 'orders'], asA, folder)).toMatchObject({
    code: 2,
    error: 'tandem: nobody is there to be asked. Add --yes to delete all of this\n',
  });
  expect(await tandem(['reset', 'ordres', '--yes'], asA, folder)).toMatchObject({
    code: 2,
    error: "tandem: nothing is kept of an app 'ordres' in pair orders. Apps have the name that defineApp was given\n",
  });
  const reset = await tandem(['reset', 'orders', '--yes', '--republish'], asA, folder);
  expect(reset).toMatchObject({ code: 0, error: '' });
  expect(reset.out).toMatch(/revision \d+: .*orders\/0:0 orders\/1:0/);
  expect(reset.out).toMatch(/the record of where it began: orders\/0:0 orders\/1:0/);
  expect(reset.out).toContain('every output from the beginning is published again, and consumers see duplicates');
  expect((await tandem(['reset', 'orders', '--yes', '--republish'], asA, folder)).code).toBe(2);
});
