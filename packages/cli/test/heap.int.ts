// A lane that uses up its memory, with a limit of its own and with the one that Node.js sets.
import path from 'node:path';
import { openLogWriter } from '@tandem/postgres';
import { eventually } from './process.ts';
import { freePort, Site, token } from './site.ts';

jest.setTimeout(60_000);

const hoarder = path.join(__dirname, 'hoarder.ts');

let site: Site;

beforeEach(async () => {
  site = await Site.open();
});

afterEach(async () => {
  await site.close();
});

async function feed(log: string, value: unknown): Promise<void> {
  const writer = await openLogWriter({ url: site.url, log, create: { partitions: 2 } });
  writer.add('k', JSON.stringify(value));
  await writer.flush();
  await writer.close();
}

const order = { customer: 'c', amount: 5, ts: 1_700_000_000_000 };

it.each([
  [
    'lane.heapLimit',
    ', heapLimit: 48MiB',
    {},
    'reached its limit of 48 MiB; raise lane.heapLimit, or have the app keep less',
  ],
  [
    'Node.js',
    '',
    { NODE_OPTIONS: '--max-old-space-size=96' },
    /reached the limit of \d+ MiB that Node\.js gives it; set lane\.heapLimit, or have the app keep less/,
  ],
])('at the limit of %s it fails and says so; the node and its other app go on', async (_, limit, environment, why) => {
  await site.configure('heap.yaml', (same) =>
    [
      same.trimEnd(),
      `  - module: ${hoarder}`,
      '    sources: { words: { postgres: { log: words, create: { partitions: 2 } } } }',
      '    sinks: { kept: { postgres: { log: kept, create: { partitions: 1 } } } }',
      `lane: { maxRestarts: 0${limit} }`,
      '',
    ].join('\n'),
  );
  const port = await freePort();
  site.run('a', port, 'heap.yaml', environment);
  const get = async <T>(route: string): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${port}${route}`, { headers: { authorization: `Bearer ${token}` } });
    return (await answer.json()) as T;
  };
  const app = (name: string) => get<{ condition: string; output: string; reason: string | null }>(`/v1/apps/${name}`);
  const totals = async (): Promise<number> => (await site.sql('SELECT 1 FROM tandem.log_totals')).length;
  for (const name of ['orders', 'hoarder']) {
    await eventually(`${name} is live`, async () => ((await app(name)).output === 'live' ? true : undefined));
  }
  await feed('orders', order);
  await eventually('a total', async () => ((await totals()) === 1 ? true : undefined));
  await feed('words', { hoard: true });
  const failed = await eventually('the hoarder has failed', async () => {
    const report = await app('hoarder');
    return report.condition === 'failed' ? report : undefined;
  });
  expect(failed.reason).toContain("app 'hoarder' ran out of memory in lane ");
  expect(failed.reason).toEqual(typeof why === 'string' ? expect.stringContaining(why) : expect.stringMatching(why));
  await feed('orders', order);
  await eventually('another total', async () => ((await totals()) === 2 ? true : undefined));
  expect(await get('/v1/node')).toMatchObject({
    role: 'active',
    epoch: 1,
    troubles: [`app hoarder: ${failed.reason}`],
  });
  expect(await app('orders')).toMatchObject({ condition: 'in-sync', output: 'live' });
});
