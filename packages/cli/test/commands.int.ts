// Every command as a process, against a real pair on a real PostgreSQL.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { eventually, tandem } from './process.ts';
import { freePort, ordersModule, Site } from './site.ts';

jest.setTimeout(90_000);

let site: Site;

beforeAll(async () => {
  site = await Site.open();
});

afterEach(async () => {
  await site.endNodes();
});

afterAll(async () => {
  await site.close();
});

describe('mistakes are one line and exit code 2', () => {
  test('a missing file', async () => {
    expect(await site.tandem(['validate', '-c', 'none.yaml'], {})).toEqual({
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
    await site.configure('binding.yaml', (same) => same.replace('sources: { orders:', 'sources: { ordres:'));
    const found = await site.tandem(['validate', '-c', 'binding.yaml', '--offline']);
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
    await site.configure('module.yaml', (same) => same.replace(ordersModule, './none.ts'));
    const missing = await site.tandem(['run', '-c', 'module.yaml']);
    expect(missing.code).toBe(2);
    expect(missing.error).toMatch(/^module\.yaml:7: apps\[0\]\.module: there is no file .*none\.ts; .*\n$/);
    await site.configure('export.yaml', (same) => same.replace('    sources:', '    export: ordres\n    sources:'));
    const unknown = await site.tandem(['run', '-c', 'export.yaml']);
    expect(unknown.code).toBe(2);
    expect(unknown.error).toMatch(/^export\.yaml:7: apps\[0\]\.module: .*'ordres'.*\n$/);
  });

  test('a log level that is none', async () => {
    const found = await site.tandem(['run', '--log-level', 'wran']);
    expect(found).toMatchObject({ code: 2, error: "tandem: 'wran' is not a log level. Did you mean 'warn'?\n" });
  });
});

describe('what cannot be reached is one line and exit code 1', () => {
  const nowhere = { DATABASE: 'postgres://me:open-sesame@127.0.0.1:1/db' };

  test.each([['run'], ['validate'], ['reset orders']])('a database that is not there: %s', async (words) => {
    const found = await site.tandem(words.split(' '), { ...site.environment('a', 0), ...nowhere });
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
});

test('validate says what it found', async () => {
  const found = await site.tandem(['validate']);
  expect(found.error).toBe('');
  expect(found.out).toMatch(/^configuration \.\/tandem\.yaml: pair orders, node a\n/);
  expect(found.out).toMatch(/app orders version 1: 1 lane, topology [0-9a-f]{16}/);
  expect(found.out).toMatch(/source orders: postgres log orders, create \{"partitions":2\}, from earliest\n/);
  expect(found.out).toMatch(/postgres: PostgreSQL \d+.*\nok\n$/);
  expect(found.code).toBe(0);
});

test('a pair: status, snapshots, switchover, a signal, and reset when all is over', async () => {
  const [portA, portB] = [await freePort(), await freePort()];
  const a = site.run('a', portA);
  const asA = site.environment('a', portA);
  const statusOf = async () => {
    const found = await site.tandem(['status', '--json'], asA);
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

  const alone = await site.tandem(['status'], asA);
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
  expect(await site.tandem(['snapshot', 'take', 'ordres'], asA)).toMatchObject({
    code: 2,
    error: "tandem: there is no app 'ordres' on this node. Did you mean 'orders'?\n",
  });

  const taken = await site.tandem(['snapshot', 'take', 'orders'], asA);
  expect(taken).toMatchObject({ code: 0, error: '' });
  expect(taken.out).toMatch(/^stored revision \d+ of orders, /);
  const listed = await site.tandem(['snapshot', 'list', 'orders'], asA);
  expect(listed.out).toMatch(/REVISION {2}TAKEN.*\n.*orders\/0:0 orders\/1:0\n/);
  const saved = await site.tandem(['snapshot', 'download', 'orders', '-o', 'saved.gz'], asA);
  expect(saved).toMatchObject({ code: 0, error: '' });
  expect(gunzipSync(await readFile(path.join(site.folder, 'saved.gz'))).length).toBeGreaterThan(0);

  const b = site.run('b', portB);
  await eventually('nothing is wrong', async () => {
    const { nodes: seen, problems } = await statusOf();
    if (seen.length === 2 && problems.length === 0) return true;
    throw new Error(JSON.stringify(problems) + b.out());
  });
  const handed = await site.tandem(['switchover'], asA);
  expect(handed).toMatchObject({ code: 0, error: '' });
  expect(handed.out).toMatch(/^a has handed over in \S+, b is active in epoch 2\n$/);

  expect(await site.tandem(['reset', 'orders', '--yes'], asA)).toMatchObject({
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

  const none = await site.tandem(['status'], asA);
  expect(none.code).toBe(1);
  expect(none.out).toContain('no node is active: nothing is published');

  expect(await site.tandem(['reset', 'orders'], asA)).toMatchObject({
    code: 2,
    error: 'tandem: nobody is there to be asked. Add --yes to delete all of this\n',
  });
  expect(await site.tandem(['reset', 'ordres', '--yes'], asA)).toMatchObject({
    code: 2,
    error: "tandem: nothing is kept of an app 'ordres' in pair orders. Apps have the name that defineApp was given\n",
  });
  const reset = await site.tandem(['reset', 'orders', '--yes', '--republish'], asA);
  expect(reset).toMatchObject({ code: 0, error: '' });
  expect(reset.out).toMatch(/revision \d+: .*orders\/0:0 orders\/1:0/);
  expect(reset.out).toMatch(/the record of where it began: orders\/0:0 orders\/1:0/);
  expect(reset.out).toContain('every output from the beginning is published again, and consumers see duplicates');
  expect((await site.tandem(['reset', 'orders', '--yes', '--republish'], asA)).code).toBe(2);
});
