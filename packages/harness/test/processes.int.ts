// Processes of the harness's own, and a reader on a real database.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { cpuSeconds, freePort, LogReader, memoryPeak_mb, NodeProcess, readLog, Reaper, waitFor } from '@tandem/harness';
import { openLogWriter } from '@tandem/postgres';
import pg from 'pg';

jest.setTimeout(60_000);

let folder: string;
let started = 0;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tandem-harness-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function startNode(reaper: Reaper, program: string): Promise<NodeProcess> {
  const script = path.join(folder, 'node.mjs');
  await writeFile(script, program);
  const logFile = path.join(folder, `${(started++).toString()}.log`);
  const node = new NodeProcess({ script, args: [], cwd: folder, logFile }, reaper);
  await waitFor('it runs', { limit_ms: 20_000 }, async () =>
    (await readFile(logFile, 'utf8')).includes('up') ? true : undefined,
  );
  return node;
}

const idle = "console.log('up'); setInterval(() => {}, 1000);";

it('stops a process in good order, and by force when it does not listen', async () => {
  const reaper = new Reaper();
  const polite = await startNode(reaper, `process.on('SIGTERM', () => process.exit(3)); ${idle}`);
  await polite.stop();
  expect(polite.ended).toBe('exit code 3');
  const deaf = await startNode(reaper, `process.on('SIGTERM', () => {}); ${idle}`);
  await deaf.stop(100);
  expect(deaf.ended).toBe('SIGKILL');
  await reaper.close();
});

it('ends a process that is frozen', async () => {
  const reaper = new Reaper();
  const node = await startNode(reaper, idle);
  node.signal('SIGSTOP');
  expect(node.frozen).toBe(true);
  await node.stop();
  expect(node.ended).toBe('SIGTERM');
  await reaper.close();
});

it('reaps what is left when its owner lets go', async () => {
  const reaper = new Reaper();
  const node = await startNode(reaper, idle);
  await reaper.close();
  await node.exited;
  expect(exists(node.pid)).toBe(false);
});

it('measures CPU time and memory of another process', async () => {
  const reaper = new Reaper();
  const node = await startNode(reaper, `console.log('up'); for (;;);`);
  await waitFor('it has used the processor', { limit_ms: 20_000 }, async () =>
    ((await cpuSeconds(node.pid)) ?? 0) > 0.1 ? true : undefined,
  );
  expect(await memoryPeak_mb(node.pid)).toBeGreaterThan(10);
  node.signal('SIGKILL');
  await node.exited;
  expect(await cpuSeconds(node.pid)).toBeUndefined();
  await reaper.close();
});

it('takes the port that is wanted unless somebody has it', async () => {
  const port = await freePort();
  expect(port).toBeGreaterThan(0);
  expect(await freePort(port)).toBe(port);
});

describe('the reader', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await (await sharedTestServer()).createDatabase();
  });

  afterEach(async () => {
    await database.drop();
  });

  it('delivers what is committed, in order, from the beginning and as it comes', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'x', create: { partitions: 2 } });
    for (let index = 0; index < 12_000; index++) writer.add(null, index.toString(), { partition: index % 2 });
    await writer.flush();
    const seen: string[][] = [[], []];
    const reader = await LogReader.open({
      url: database.url,
      log: 'x',
      partitions: 2,
      onArrival: ({ records }) => {
        for (const { partition, value } of records) seen[partition]?.push(value);
      },
      onFailure: (error) => {
        throw error;
      },
    });
    writer.add('k', 'last', { partition: 1 });
    await writer.flush();
    await waitFor('all have come', { limit_ms: 20_000 }, () => (seen.flat().length === 12_001 ? true : undefined));
    expect(seen[0]).toEqual(Array.from({ length: 6000 }, (_, index) => (2 * index).toString()));
    expect(seen[1]?.at(-1)).toBe('last');
    await reader.close();
    await writer.close();

    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const read: string[] = [];
    for await (const page of readLog(client, 'x', 0)) read.push(...page.map(({ value }) => value));
    await client.end();
    expect(read).toEqual(seen[0]);
  });

  it('says so when the database goes away', async () => {
    const writer = await openLogWriter({ url: database.url, log: 'x', create: { partitions: 1 } });
    await writer.close();
    const failures: Error[] = [];
    const reader = await LogReader.open({
      url: database.url,
      log: 'x',
      partitions: 1,
      onArrival: () => undefined,
      onFailure: (error) => failures.push(error),
    });
    await database.drop();
    await waitFor('it is told', { limit_ms: 20_000 }, () => (failures.length > 0 ? true : undefined));
    await reader.close();
  });
});
