// The command as a person runs it, on real servers: everything is whole after a schedule of faults; what was made wrong on
// purpose is found; and nothing is left behind.
import { spawn } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { describeWithStack } from '@tandem/stack';

const root = path.resolve(__dirname, '../..');
const seeds = { kafka: 2, postgres: 101, spoilt: 103, serverless: 104 };

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

function chaos(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['scripts/run.mjs', 'chaos/src/main.ts', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      resolve({ code, out, errors });
    });
  });
}

/** The one line on standard output. */
function reportOf({ out }: Ended): Record<string, unknown> {
  const lines = out.trimEnd().split('\n');
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>;
}

function faultsIn(report: Readonly<Record<string, unknown>>): number {
  return Object.values(report['faults'] as Record<string, number>).reduce((sum, count) => sum + count, 0);
}

function expectWhole(ended: Ended, seed: number): Record<string, unknown> {
  // The whole story shows when it is not.
  expect(ended).toMatchObject({ code: 0 });
  const report = reportOf(ended);
  expect(report).toMatchObject({ lost: 0, duplicated: 0, reordered: 0, false_failovers: 0, seed });
  return report;
}

async function foldersLeft(seed: number): Promise<readonly string[]> {
  const names = await readdir(path.join(root, '.tandem')).catch(() => []);
  return names.filter((name) => name.startsWith(`chaos-${seed.toString()}-`));
}

/** A run that failed keeps its logs. */
afterAll(async () => {
  for (const seed of Object.values(seeds)) {
    for (const name of await foldersLeft(seed)) {
      await rm(path.join(root, '.tandem', name), { recursive: true, force: true });
    }
  }
});

describeWithStack('on Kafka, ZooKeeper and PostgreSQL', () => {
  it('loses, doubles and reorders nothing under every kind of fault', async () => {
    const seed = seeds.kafka;
    const ended = await chaos(['--minutes', '3', '--seed', seed.toString(), '--json']);
    const report = expectWhole(ended, seed);
    expect(faultsIn(report)).toBeGreaterThan(25);
    expect(report['failovers']).toBeGreaterThan(0);
    expect(await foldersLeft(seed)).toEqual([]);
  }, 420_000);
});

describe('on PostgreSQL alone', () => {
  const stack = ['--stack', 'postgres', '--json'];

  it('loses, doubles and reorders nothing', async () => {
    const seed = seeds.postgres;
    const ended = await chaos([...stack, '--minutes', '0.33', '--seed', seed.toString()]);
    expect(faultsIn(expectWhole(ended, seed))).toBeGreaterThan(3);
    expect(await foldersLeft(seed)).toEqual([]);
  }, 180_000);

  it('finds a row that was added once more, and says where', async () => {
    const args = ['--minutes', '0.05', '--seed', seeds.spoilt.toString(), '--faults', 'burst', '--spoil', 'duplicated'];
    const ended = await chaos([...stack, ...args]);
    expect(reportOf(ended)).toMatchObject({ lost: 0, duplicated: 1, reordered: 0 });
    expect(ended.errors).toContain('parts, partition');
    expect(ended.code).toBe(1);
  }, 120_000);
});

it('says in one line that the servers cannot be started', async () => {
  // A folder that holds no Java.
  const { code, out, errors } = await chaos(['--minutes', '1', '--seed', seeds.serverless.toString(), '--json'], {
    JAVA_HOME: root,
    PATH: '/nonexistent',
    CI: '',
  });
  expect({ code, out }).toEqual({ code: 2, out: '' });
  const lines = errors.trimEnd().split('\n');
  expect(lines.at(-1)).toMatch(/^chaos: the servers cannot be started: /);
}, 120_000);
