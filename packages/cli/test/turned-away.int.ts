// A node that the active cannot have beside it: what its process says and which code it ends with.
import { readFile } from 'node:fs/promises';
import { eventually } from './process.ts';
import { freePort, ordersModule, Site } from './site.ts';

jest.setTimeout(90_000);

let site: Site;
let port: number;

beforeAll(async () => {
  site = await Site.open();
  port = await freePort();
  site.run('a', port);
  await eventually('a is active', async () => {
    const { code } = await site.tandem(['status'], site.environment('a', port));
    return code === 0 ? true : undefined;
  });
});

afterAll(async () => {
  await site.close();
});

test.each([
  [
    'other code',
    async () => {
      const code = await readFile(ordersModule, 'utf8');
      await site.write('changed.ts', code.replace('amount > 0', 'amount > 1'));
      return site.configure('changed.yaml', (text) => text.replace(ordersModule, './changed.ts'));
    },
    "the code of app 'orders' differs from the active's (version 1 there, 1 here); deploy the same build to both nodes, or stop both to change it",
  ],
  [
    'another version',
    async () => {
      const code = await readFile(ordersModule, 'utf8');
      await site.write('newer.ts', code.replace('version: 1', 'version: 2'));
      return site.configure('newer.yaml', (text) => text.replace(ordersModule, './newer.ts'));
    },
    "the code of app 'orders' differs from the active's (version 1 there, 2 here); deploy the same build to both nodes, or stop both to change it",
  ],
  [
    'another number of lanes',
    () => site.configure('lanes.yaml', (text) => text.replace('    sources:', '    lanes: 2\n    sources:')),
    "app 'orders' has 1 lanes on the active and 2 here; stop both nodes to change the number of lanes",
  ],
  [
    'another list of apps',
    async () => {
      const code = await readFile(ordersModule, 'utf8');
      await site.write('second.ts', code.replace("name: 'orders'", "name: 'second'"));
      return site.configure(
        'more.yaml',
        (text) => text + text.slice(text.indexOf('  - module')).replace(ordersModule, './second.ts'),
      );
    },
    "app 'second' runs on one node only; give both nodes the same list of apps",
  ],
])('a node with %s is turned away: one line, exit code 2', async (_, configure, message) => {
  const ended = await site.run('b', 0, await configure()).ended;
  expect({ code: ended.code, error: ended.error }).toEqual({ code: 2, error: `tandem: ${message}\n` });
  const status = await site.tandem(['status'], site.environment('a', port));
  expect(status.code).toBe(0);
});
