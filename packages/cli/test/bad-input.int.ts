// Mistakes and broken things as a user meets them: one line each with what, where and what to do, and an exit code that
// tells a mistake (2) from a failure (1). More of them: configuration.test.ts, commands.int.ts, turned-away.int.ts.
import { readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { openLogWriter } from '@tandem/postgres';
import { main } from '../src/program.ts';
import { recordingTerminal } from './fixtures.ts';
import { eventually, type Environment } from './process.ts';
import { freePort, ordersModule, Site, token } from './site.ts';

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

interface Ended {
  readonly code: number;
  readonly error: string;
}

/** A command in this process; `$` in its words stands for the folder. */
async function command(words: string, environment: Environment = site.environment('a', 0)): Promise<Ended> {
  const terminal = recordingTerminal({ environment });
  const code = await main(
    words.split(' ').map((word) => word.replace('$', site.folder)),
    terminal,
  );
  return { code, error: terminal.errors().replaceAll(`${site.folder}/`, '') };
}

/** An app with one sink; `step` is what it does with each order. */
function app({ step = 'return order;', module = '' }): string {
  return `import { defineApp, json } from '@tandem/streams';
import { z } from 'zod';
export const orders = defineApp({
  name: 'orders',
  version: 1,
  sources: { orders: json(z.object({ amount: z.int() }), { key: 'utf8' }) },
  sinks: { totals: json(z.any()) },
  build(flow) {
    flow.from('orders').map((order) => {
      ${step}
    }).to('totals');
  },
});
${module}
`;
}

/** @returns the configuration's name. */
async function configure(name: string, text: string, edit: (text: string) => string = (same) => same): Promise<string> {
  await site.write(`${name}.ts`, text);
  return site.configure(`${name}.yaml`, (same) =>
    edit(same.replace(ordersModule, `./${name}.ts`).replace(/^ +(perMinute|deadLetter):.*\n/gm, '')),
  );
}

describe('an app that cannot be loaded is a mistake with the place in the configuration and in the app', () => {
  test.each([
    ['throws', app({ module: `throw new Error('boom');` }), 'the app threw while it was loaded: boom (throws.ts:14:7)'],
    ['syntax', 'export const x: = 1;', 'syntax.ts:1:17: Unexpected "="'],
    [
      'import',
      `import 'nowhere';`,
      'import.ts:1:8: Could not resolve "nowhere"; correct the name, or install it where the app is',
    ],
    ['no-app', 'export const x = 1;', 'the module exports no app; it exports x: export one made with defineApp'],
    [
      'build',
      app({}).replace("flow.from('orders')", "flow.from('ordres' as 'orders')"),
      "source 'ordres' is not declared: declare it in sources (there are: orders)",
    ],
    [
      'clock',
      app({ module: 'Date.now();' }),
      'the app threw while it was loaded: the clock (Date.now(), new Date()) gives each node another answer, so apps cannot use it: use ctx.now instead (clock.ts:14:6)',
    ],
  ])('%s', async (name, text, message) => {
    await configure(name, text);
    const found = await command(`validate --offline --config $/${name}.yaml`);
    expect(found).toEqual({ code: 2, error: `${name}.yaml:7: apps[0].module: ${message}\n` });
  });
});

describe('a database that cannot be used', () => {
  function at(edit: (url: URL) => void): Environment {
    const url = new URL(site.url);
    edit(url);
    return { ...site.environment('a', 0), DATABASE: url.href };
  }

  test.each<[string, (url: URL) => void, number, RegExp]>([
    [
      'a wrong password',
      (url) => {
        url.username = 'nobody';
        url.password = 'open-sesame';
      },
      2,
      /^tandem: PostgreSQL refused the login: \S+ \(.*\)\. Check user and password in postgres:\/\/nobody:\*\*\*@\S+\n$/,
    ],
    [
      'a name that is none',
      (url) => {
        url.pathname = '/nope';
      },
      2,
      /^tandem: no such database: \S+\/nope\. Create it, or correct postgres:\/\/\S+\n$/,
    ],
    [
      'a host that is none',
      (url) => {
        url.hostname = 'host.invalid';
      },
      1,
      /^tandem: PostgreSQL does not answer: host\.invalid:\S+ \(.*host\.invalid\)\. Check that it runs and that \S+ is right\.\n$/,
    ],
  ])('%s', async (_, edit, code, message) => {
    const found = await command('reset orders --config $/tandem.yaml', at(edit));
    expect(found).toEqual({ code, error: expect.stringMatching(message) as string });
    expect(found.error).not.toContain('open-sesame');
  });
});

describe('where something else listens', () => {
  let server: Server;
  let port: number;

  beforeAll(async () => {
    server = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('a node cannot, and says on which port', async () => {
    expect(await site.run('a', port).ended).toMatchObject({
      code: 2,
      error: `tandem: port ${String(port)} on 127.0.0.1 is in use; stop what listens there or set node.listen to another port\n`,
    });
  });

  test('no command takes it for a node', async () => {
    const url = `http://127.0.0.1:${String(port)}`;
    expect(await command(`status --url ${url}`)).toEqual({
      code: 2,
      error: `tandem: ${url} does not answer like a Tandem node. Check the address\n`,
    });
  });
});

test('an address that is none', async () => {
  expect(await command('status --url localhost:7070')).toEqual({
    code: 2,
    error: "tandem: 'localhost:7070' is not an address of a node. Write it like http://127.0.0.1:7070\n",
  });
});

test('a node keeps its id to itself; what cannot be had of its revisions is said', async () => {
  const port = await freePort();
  site.run('a', port);
  const snapshot = async (...words: readonly string[]) => {
    const environment = { TANDEM_URL: `http://127.0.0.1:${String(port)}`, TANDEM_TOKEN: token };
    const { code, error } = await site.tandem(['snapshot', ...words], environment);
    return { code, error };
  };
  const line = (pattern: RegExp) => expect.stringMatching(pattern) as string;
  await eventually('a revision', async () => ((await snapshot('take', 'orders')).code === 0 ? true : undefined));

  expect(await site.run('a', 0).ended).toMatchObject({
    code: 2,
    error: line(
      /^tandem: node id 'a' is in use in pair 'orders' by another process \(a-\w+\)\. Give each node an id of its own\.\n$/,
    ),
  });
  expect(await snapshot('download', 'orders', '--revision', '99')).toEqual({
    code: 2,
    error: line(
      /^tandem: revision 99 of app 'orders' .*is not in the store\. tandem snapshot list shows those that are kept\n$/,
    ),
  });
  expect(await snapshot('download', 'orders', '-o', 'no/such.gz')).toEqual({
    code: 2,
    error: line(
      /^tandem: revision 1 of orders could not be saved to no\/such\.gz: ENOENT: .*\. Name another file with --output\n$/,
    ),
  });
  await site.sql(`UPDATE tandem.snapshot_chunk SET data = substr(data, 1, 200), sha256 = sha256(substr(data, 1, 200))`);
  expect(await snapshot('download', 'orders', '-o', 'cut.gz')).toEqual({
    code: 1,
    error:
      'tandem: revision 1 of orders could not be saved to cut.gz: the node broke off. Its log says why; another revision may be whole\n',
  });
  await site.sql(`DELETE FROM tandem.snapshot_chunk`);
  expect(await snapshot('download', 'orders', '-o', 'gone.gz')).toEqual({
    code: 1,
    error: line(/^tandem: revision 1 of app 'orders' .* is damaged: .*\. Use another revision\n$/),
  });
  expect((await readdir(site.folder)).filter((name) => name.includes('.gz'))).toEqual([]);
});

describe('an app that fails while it runs', () => {
  const problems = async (port: number): Promise<string> => {
    const terminal = recordingTerminal({ environment: { TANDEM_TOKEN: token } });
    await main(['status', '--url', `http://127.0.0.1:${String(port)}`], terminal);
    return terminal.output().replaceAll(`${site.folder}${path.sep}`, '');
  };

  async function append(log: string, ...values: readonly string[]): Promise<void> {
    const writer = await openLogWriter({ url: site.url, log, create: { partitions: 1 } });
    for (const value of values) writer.add('k', value);
    await writer.flush();
    await writer.close();
  }

  const published = async (log: string) =>
    (
      await site.sql<{ value: string }>(
        `SELECT convert_from(value, 'UTF8') AS value FROM tandem."log_${log}" ORDER BY "offset"`,
      )
    ).map(({ value }) => value);

  /** With logs, and a pair, of its own. */
  const apart = (name: string) => (text: string) =>
    text
      .replace('pair: orders', `pair: ${name}`)
      .replace('log: orders, create: { partitions: 2 }', `log: ${name}-in`)
      .replace('log: totals', `log: ${name}-out`);

  async function failsWith(file: string, message: string): Promise<void> {
    const port = await freePort();
    const node = site.run('a', port, file);
    await eventually(`it says: ${message}`, async () => {
      const shown = await problems(port);
      if (shown.includes(`  - a: app orders is failed: ${message}\n`)) return true;
      throw new Error(shown + node.out());
    });
    node.child.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0, error: '' });
  }

  test('by throwing: the line of the app is named, and nothing is lost once it is corrected', async () => {
    await append('throws-in', '{"amount":1}', '{"amount":2}', '{"amount":3}');
    const text = app({ step: `if (order.amount === 2) throw new Error('no two');\n      return order;` });
    const file = await configure('throwing', text, apart('throws'));
    await failsWith(
      file,
      "app 'orders' cannot go past source 'orders' partition 0 position 1: the app threw: no two (correct the app, or divert such records with onError: 'dead-letter') (throwing.ts:10:37)",
    );

    await site.write('throwing.ts', app({}));
    site.run('a', 0, file);
    await eventually('the rest is published', async () =>
      (await published('throws-out')).length === 3 ? true : undefined,
    );
    expect(await published('throws-out')).toEqual(['{"amount":1}', '{"amount":2}', '{"amount":3}']);
  });

  test.each([
    ['nonsense', '{nonsense', 'its value is not json: Expected property name or'],
    [
      'schema',
      '{"amount":"x"}',
      'its value does not fit the schema: amount: Invalid input: expected number, received string',
    ],
  ])('on a record that cannot be read: %s', async (name, value, message) => {
    await append(`${name}-in`, '{"amount":1}', value);
    const port = await freePort();
    const node = site.run('a', port, await configure(name, app({}), apart(name)));
    const shown = await eventually('it says so', async () => {
      const found = await problems(port);
      return found.includes('app orders is failed') ? found : undefined;
    });
    expect(shown).toContain(
      `a: app orders is failed: app 'orders' cannot go past source 'orders' partition 0 position 1: ${message}`,
    );
    expect(shown).toMatch(/\(correct the app, or divert such records with onInvalid: 'dead-letter'\)\n/);
    node.child.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0 });
  });

  test('for want of a log or a table', async () => {
    const where = new URL(site.url);
    const database = `${where.host}${where.pathname}`;
    const source = await configure('nolog', app({}), apart('nolog'));
    await failsWith(
      source,
      `log 'nolog-in' does not exist: ${database} (source). Make it with SELECT tandem.create_log('nolog-in', 4), or add 'create: { partitions: 4 }' beside its name.`,
    );
    const table = (text: string) =>
      apart('notable')(text).replace(
        'log: notable-out, create: { partitions: 1 }',
        'table: public.nope, columns: { amount: amount }',
      );
    await append('notable-in', '{"amount":1}');
    await failsWith(
      await configure('notable', app({}), table),
      `there is no table 'public.nope' (sink 'totals', ${database}). Create it, or write its name with its schema.`,
    );
  });
});
