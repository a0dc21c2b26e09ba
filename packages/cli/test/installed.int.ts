// The command as it is installed outside of this repository: the built packages, with nothing but what they declare.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { openLogWriter } from '@tandem/postgres';
import pg from 'pg';
import { eventually, startScript, type Ended } from './process.ts';

jest.setTimeout(180_000);

const root = path.resolve(__dirname, '../../..');
const run = promisify(execFile);

/** What a user installs: docs/operations.md, Installing. */
const packages = [
  'cli',
  'streams',
  'pair',
  'snapshot',
  'ports',
  'lane',
  'control',
  'postgres',
  'kafka',
  'zookeeper',
  'files',
  'http',
];

interface Packed {
  readonly name: string;
  readonly files: readonly { readonly path: string }[];
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

let folder: string;
let database: TestDatabase;

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-installed-'));
  await run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-b'], { cwd: root });
  const modules = path.join(folder, 'node_modules');
  await mkdir(path.join(modules, '@tandem'), { recursive: true });
  const names = packages.flatMap((name) => ['--workspace', `packages/${name}`]);
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', ...names], { cwd: root, maxBuffer: 16 << 20 });
  const declared = new Set<string>();
  for (const { name, files } of Object.values(JSON.parse(stdout) as Record<string, Packed>)) {
    const from = path.join(root, 'packages', path.basename(name));
    for (const file of files) await cp(path.join(from, file.path), path.join(modules, name, file.path));
    const { dependencies = {} } = JSON.parse(await readFile(path.join(from, 'package.json'), 'utf8')) as Manifest;
    for (const dependency of Object.keys(dependencies)) declared.add(dependency);
  }
  for (const dependency of declared) {
    if (dependency.startsWith('@tandem/')) continue;
    await mkdir(path.dirname(path.join(modules, dependency)), { recursive: true });
    await symlink(path.join(root, 'node_modules', dependency), path.join(modules, dependency));
  }
  await writeFile(path.join(folder, 'orders.ts'), app);
  await writeFile(path.join(folder, 'tandem.yaml'), configuration);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await database.drop();
});

const app = `
import { defineApp, json } from '@tandem/streams';
import { z } from 'zod';

export const orders = defineApp({
  name: 'orders',
  version: 1,
  sources: { orders: json(z.object({ amount: z.int() }), { key: 'utf8' }) },
  sinks: { totals: json(z.object({ sum: z.int() })) },
  build(flow) {
    flow
      .from('orders')
      .groupByKey()
      .aggregate('totals', { initial: { sum: 0 }, add: (total, order) => ({ sum: total.sum + order.amount }) })
      .toStream()
      .to('totals');
  },
});
`;

const configuration = `
pair: shop
node: { id: a, listen: 127.0.0.1:0 }
postgres: { url: '\${DATABASE_URL}' }
coordinator: { postgres: { sessionTimeout: 1s } }
store: { postgres: {} }
apps:
  - module: ./orders.ts
    sources: { orders: { postgres: { log: orders, create: { partitions: 1 } } } }
    sinks: { totals: { postgres: { log: totals, create: { partitions: 1 } } } }
`;

const start = (...words: readonly string[]) =>
  startScript(
    path.join(folder, 'node_modules/@tandem/cli/bin/tandem.mjs'),
    words,
    { DATABASE_URL: database.url },
    folder,
  );

const tandem = (...words: readonly string[]): Promise<Ended> => start(...words).ended;

test('an installed command checks an app that is nowhere near the repository, and runs it', async () => {
  expect(await tandem('--version')).toEqual({ code: 0, out: '0.1.0\n', error: '' });
  const checked = await tandem('validate');
  expect(checked).toMatchObject({ code: 0, error: '' });
  expect(checked.out).toMatch(/app orders version 1: 1 lane/);

  const node = start('run');
  try {
    const writer = await openLogWriter({ url: database.url, log: 'orders', create: { partitions: 1 } });
    writer.add('k', '{"amount":1}');
    writer.add('k', '{"amount":2}');
    await writer.flush();
    await writer.close();
    expect(await eventually('both are published', published)).toEqual(['{"sum":1}', '{"sum":3}']);
    node.child.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0, error: '' });
  } finally {
    node.child.kill('SIGKILL');
    await node.ended;
  }
});

async function published(): Promise<string[] | undefined> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const text = `SELECT convert_from(value, 'UTF8') AS value FROM tandem.log_totals ORDER BY "offset"`;
    const { rows } = await client.query<{ value: string }>(text);
    return rows.length < 2 ? undefined : rows.map(({ value }) => value);
  } finally {
    await client.end();
  }
}
