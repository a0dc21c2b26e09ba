// Whole pairs whose outputs go out by HTTP, where nothing but time keeps two nodes apart (S11), and whose revisions lie
// in a folder.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { openLogWriter, type LogWriter } from '@tandem/postgres';
import { eventually, type Running } from './process.ts';
import { freePort, Site } from './site.ts';

jest.setTimeout(120_000);

const customers = 7;
const partitions = 3;

interface Arrived {
  readonly key: string;
  readonly epoch: number;
  readonly customer: string;
  readonly count: number;
}

/** What has arrived, in order. */
let arrived: Arrived[];
let receiver: Server;
let site: Site;
let writer: LogWriter;
let running: Map<string, Running>;
let ports: Map<string, number>;

beforeEach(async () => {
  arrived = [];
  running = new Map();
  ports = new Map();
  receiver = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { headers } = request;
      const { count } = JSON.parse(Buffer.concat(pieces).toString()) as { count: number };
      const [key, epoch, customer] = ['idempotency-key', 'tandem-epoch', 'tandem-key'].map((name) => headers[name]);
      arrived.push({ key: String(key), epoch: Number(epoch), customer: String(customer), count });
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  site = await Site.open();
  const url = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}/hooks/open-sesame`;
  await site.configure('tandem.yaml', (text) =>
    text
      .replace('partitions: 2', `partitions: ${String(partitions)}`)
      .replace('totals: { postgres: { log: totals, create: { partitions: 1 } } }', `totals: { http: ${sink(url)} }`)
      .replace('store: { postgres: {} }', `store: { files: { folder: ${path.join(site.folder, 'snapshots')} } }`)
      .replace(
        'apps:',
        'http: { positions: { postgres: { url: ${DATABASE} } } }\npersistence: { interval: 1s }\napps:',
      ),
  );
  writer = await openLogWriter({ url: site.url, log: 'orders', create: { partitions } });
});

afterEach(async () => {
  await writer.close();
  await site.close();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

function sink(url: string): string {
  return `{ url: '${url}', headers: { Authorization: 'Bearer \${TOKEN:-open-sesame}' }, retry: { first: 10ms, most: 100ms } }`;
}

/** Until it is ready: active, or in sync with the one that is. */
async function start(node: string): Promise<void> {
  const port = await freePort();
  ports.set(node, port);
  running.set(node, site.run(node, port));
  await ready(node);
}

async function ready(node: string): Promise<void> {
  await eventually(`${node} is ready`, async () => {
    const { status } = await fetch(`http://127.0.0.1:${String(ports.get(node))}/readyz`);
    if (status === 200) return true;
    throw new Error(running.get(node)?.out().split('\n').slice(-5).join('\n'));
  });
}

/** Orders for every customer in turn, in one batch. */
async function feed(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const customer = `c${String(index % customers)}`;
    writer.add(customer, JSON.stringify({ customer, amount: 5, ts: 1_700_000_000_000 }));
  }
  await writer.flush();
}

const reached = (count: number) =>
  eventually(`${String(count)} outputs have arrived`, () =>
    Promise.resolve(new Set(arrived.map(({ key }) => key)).size >= count ? true : undefined),
  ).catch((error: unknown) => {
    const logs = [...running].map(([node, one]) => `--- ${node}\n${one.out().split('\n').slice(-12).join('\n')}`);
    throw new Error(`${String(error)}; ${String(arrived.length)} have\n${logs.join('\n')}`);
  });

/** Every output once and in order for whoever drops keys that it knows; the same key always means the same output. */
function expectExact(count: number): void {
  const first = new Map<string, Arrived>();
  for (const one of arrived) {
    const known = first.get(one.key);
    if (known === undefined) first.set(one.key, one);
    else expect({ ...one, epoch: 0 }).toEqual({ ...known, epoch: 0 });
  }
  expect(first.size).toBe(count);
  const counts = new Map<string, number>();
  for (const { customer, count: told } of first.values()) {
    expect([customer, told]).toEqual([customer, (counts.get(customer) ?? 0) + 1]);
    counts.set(customer, told);
  }
}

/** Of an older epoch, after a newer one had sent something. */
function late(): readonly Arrived[] {
  let newest = 0;
  return arrived.filter(({ epoch }) => {
    newest = Math.max(newest, epoch);
    return epoch < newest;
  });
}

async function startPair(): Promise<void> {
  await start('a');
  await feed(70);
  await reached(70);
  await start('b');
}

test('kill -9 of the active, again and again: nothing is lost, in order, with the same keys', async () => {
  await startPair();
  let fed = 70;
  for (const node of ['a', 'b']) {
    const other = node === 'a' ? 'b' : 'a';
    await ready(other);
    await feed(700);
    fed += 700;
    await reached(fed - 600);
    running.get(node)?.child.kill('SIGKILL');
    await reached(fed);
    await start(node);
  }
  expectExact(fed);
  expect(late()).toEqual([]);
  const kept = await readdir(path.join(site.folder, 'snapshots/orders/orders'));
  expect(kept.some((name) => name.startsWith('revision-'))).toBe(true);
  for (const one of running.values()) expect(one.out()).not.toContain('open-sesame');
});

test('an active that hangs in the middle begins nothing more once its successor has begun', async () => {
  await startPair();
  await feed(2100);
  await reached(170);
  running.get('a')?.child.kill('SIGSTOP');
  const before = arrived.length;
  await eventually('b sends', () => Promise.resolve(arrived.some(({ epoch }) => epoch === 2) ? true : undefined));
  running.get('a')?.child.kill('SIGCONT');
  await reached(2170);
  expect(arrived.length).toBeGreaterThan(before);
  expectExact(2170);
  // It may have been stopped in the instant between its last look at the time and the write: one request of each task.
  const tasks = late().map(({ key }) => key.split(':')[3]);
  expect(tasks).toEqual([...new Set(tasks)]);
});

test('validate tells what goes where, and no secret', async () => {
  await site.configure('shared.yaml', (text) =>
    text
      .replace(
        'totals: { postgres: { log: totals, create: { partitions: 1 } } }',
        `totals: { http: ${sink('https://hooks.example.com/open-sesame')} }`,
      )
      .replace(
        'store: { postgres: {} }',
        `store: { files: { folder: ${site.folder}/not-yet } }\nstateSync: { live: false }`,
      )
      .replace('apps:', 'http: { positions: { postgres: { url: ${DATABASE} } } }\napps:'),
  );
  const found = await site.tandem(['validate', '-c', 'shared.yaml']);
  expect(found).toMatchObject({ code: 0, error: '' });
  expect(found.out).toContain('  sink totals: http POST https://hooks.example.com\n');
  expect(found.out).toMatch(/note: stateSync.live is off, so \S+\/not-yet must be one folder that both nodes share/);
  expect(found.out).toMatch(/http: positions in PostgreSQL \d+/);
  expect(found.out).toMatch(/files: folder \S+\/not-yet, will be made at the first start, /);
  expect(found.out).not.toContain('open-sesame');
});

test('reset tells of positions that are kept for HTTP, and forgets them with --republish', async () => {
  await start('a');
  await feed(21);
  await reached(21);
  running.get('a')?.child.kill('SIGTERM');
  await running.get('a')?.ended;
  const reset = await site.tandem(['reset', 'orders', '--yes', '--republish']);
  expect(reset).toMatchObject({ code: 0, error: '' });
  expect(reset.out.match(/what http has published/g)).toHaveLength(1);
  await start('a');
  await eventually('all comes again', () => Promise.resolve(arrived.length >= 42 ? true : undefined));
  const keys = (from: number, to: number): string[] =>
    arrived
      .slice(from, to)
      .map(({ key }) => key)
      .sort();
  expect(keys(21, 42)).toEqual(keys(0, 21));
});
