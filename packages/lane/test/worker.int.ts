// A TypeScript app, bundled, in a real worker, from a log in PostgreSQL to another.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { bundleApp, describeApp, systemClock, type AppBundle, type LaneSpec } from '@tandem/lane';
import { asEpoch, asPosition } from '@tandem/pair';
import { createPostgresSource, openLogWriter } from '@tandem/postgres';
import { WorkerLane } from './support/worker-lane.ts';

const partitions = 2;

let outDir: string;
let bundle: AppBundle;
let database: TestDatabase;
let system: { readonly url: string; readonly schema: string };

beforeAll(async () => {
  outDir = await mkdtemp(path.join(tmpdir(), 'tandem-lane-'));
  bundle = await bundleApp({
    module: path.join(__dirname, 'fixtures/totals.ts'),
    adapters: ['@tandem/postgres/lane'],
    outDir,
  });
  database = await (await sharedTestServer()).createDatabase();
  system = { url: database.url, schema: 'tandem' };
});

afterAll(async () => {
  await database.drop();
  await rm(outDir, { recursive: true });
});

function specOf(input: string, output: string): LaneSpec {
  const log = (name: string) => ({ log: name, create: { partitions } });
  return {
    pair: 'test',
    app: 'totals',
    lane: 0,
    lanes: 1,
    sources: [{ source: 'orders', adapter: 'postgres', system, binding: log(input), startFrom: 'earliest' }],
    publishers: [
      {
        publisher: 'postgres',
        adapter: 'postgres',
        system,
        sinks: [
          { sink: 'totals', binding: log(output) },
          { sink: 'deadLetter', binding: log(`${output}.dlq`) },
        ],
      },
    ],
    queueLimit_bytes: 8 << 20,
    publishMaxOutputs: 5000,
    publishMaxBytes: 1 << 20,
    inSyncLag_inputs: 1000,
    slice_ms: 8,
    digest: { every_inputs: 100, interval_ms: 1_000 },
  };
}

async function feed(log: string, from: number, count: number): Promise<void> {
  const writer = await openLogWriter({ url: database.url, log, create: { partitions } });
  for (let i = from; i < from + count; i++) {
    const id = `k${i % 7}`;
    writer.add(id, JSON.stringify({ id, amount: i }));
  }
  await writer.flush();
  await writer.close();
}

/** Every record of the log, partition by partition. */
async function contents(log: string): Promise<string[]> {
  const source = await createPostgresSource({ system, binding: { log }, clock: systemClock });
  const values: string[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const { end } = await source.bounds(partition);
    const reader = source.read(new Map([[partition, asPosition(0)]]));
    for (let read = 0; read < end;) {
      const batch = reader.take();
      if (batch === undefined) {
        await new Promise<void>((resolve) => {
          reader.onReady = resolve;
        });
        continue;
      }
      if (batch.kind === 'gap') throw new Error('a gap');
      for (; batch.next(); read++) values.push(batch.bytes.toString('utf8', batch.valueStart, batch.valueEnd));
    }
  }
  await source.close();
  return values;
}

/** What the app must have put out for inputs 0 to `count`, by key. */
function expected(count: number): Map<string, string[]> {
  const byKey = new Map<string, { count: number; sum: number; lines: string[] }>();
  for (let i = 0; i < count; i++) {
    const id = `k${i % 7}`;
    const total = byKey.get(id) ?? { count: 0, sum: 0, lines: [] };
    total.count++;
    total.sum += i;
    total.lines.push(JSON.stringify({ id, count: total.count, sum: total.sum }));
    byKey.set(id, total);
  }
  return new Map([...byKey].map(([id, { lines }]) => [id, lines]));
}

function byKey(values: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const value of values) {
    const { id } = JSON.parse(value) as { id: string };
    found.set(id, [...(found.get(id) ?? []), value]);
  }
  return found;
}

async function goLive(lane: WorkerLane, epoch: number, initialise: Record<string, string> | undefined): Promise<void> {
  lane.post({ type: 'open', epoch: asEpoch(epoch), initialise });
  const { publisher } = await lane.heard('verify-please', (message) => message.epoch === epoch);
  lane.post({ type: 'verified', publisher, epoch: asEpoch(epoch) });
  await lane.heard('live', (message) => message.epoch === epoch);
}

async function publishedUpTo(lane: WorkerLane, total: number): Promise<void> {
  const published = new Map<string, number>();
  let seen = 0;
  for (;;) {
    for (const { positions } of lane.all('published').slice(seen)) {
      for (const [task, text] of Object.entries(positions)) published.set(task, Number(text));
    }
    seen = lane.all('published').length;
    if ([...published.values()].reduce((sum, position) => sum + position, 0) >= total) return;
    await lane.heard('published', (message) => lane.all('published').indexOf(message) >= seen);
  }
}

it('describes the app without running it', async () => {
  await expect(describeApp(bundle)).resolves.toMatchObject({
    app: 'totals',
    version: 1,
    sources: ['orders'],
    sinks: ['totals', 'deadLetter'],
  });
});

it('starts at genesis, publishes in order, and goes on elsewhere from a snapshot', async () => {
  await feed('in', 0, 1000);
  const first = new WorkerLane(bundle, specOf('in', 'out'));
  const { tasks } = await first.heard('described');
  expect(tasks).toEqual(['orders/0', 'orders/1']);
  first.post({ type: 'resolve-genesis' });
  const { positions: genesis } = await first.heard('genesis');
  first.post({ type: 'start-at', run: 1, positions: genesis });
  await first.heard('lag', (message) => message.inSync);
  await goLive(first, 1, genesis);
  await publishedUpTo(first, 1000);
  expect(byKey(await contents('out'))).toEqual(expected(1000));

  first.post({ type: 'snapshot-please', id: 1, credit: 100 });
  await first.heard('snapshot-end');
  const chunks = first.all('snapshot-chunk');
  await feed('in', 1000, 500);
  await publishedUpTo(first, 1500);
  await first.close();

  await feed('in', 1500, 500);
  const second = new WorkerLane(bundle, specOf('in', 'out'));
  await second.heard('described');
  second.post({ type: 'restore-begin', run: 1 });
  for (const { frames } of chunks) second.post({ type: 'restore-frames', frames });
  second.post({ type: 'restore-end' });
  await second.heard('restored');
  await goLive(second, 2, undefined);
  await publishedUpTo(second, 2000);
  await second.close();
  expect(byKey(await contents('out'))).toEqual(expected(2000));
});
