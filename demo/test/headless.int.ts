// The demo as a person starts it: real nodes killed, every output checked, nothing left behind.
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

jest.setTimeout(180_000);

const root = path.resolve(__dirname, '../..');
const name = `demo-test-${process.pid.toString()}`;
const folder = path.join(root, '.tandem', name);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function start(...args: string[]) {
  const child = spawn(process.execPath, ['scripts/run.mjs', 'demo/src/main.ts', '--name', name, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const ended = new Promise<{ code: number | null; out: string; errors: string }>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, out, errors });
    });
  });
  return { child, ended, said: () => out + errors };
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline_ms = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > deadline_ms) throw new Error(`waited in vain until ${what}`);
    await sleep(50);
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function nodePids(): Promise<number[]> {
  return await Promise.all(
    ['a', 'b'].map(async (id) => Number(await readFile(path.join(folder, `${id}.pid`), 'utf8'))),
  );
}

it('loses, doubles and reorders nothing while the active is killed, and leaves no process behind', async () => {
  const { ended } = start('--headless', '--kills', '2', '--json');
  const { code, out, errors } = await ended;
  expect({ code, errors }).toMatchObject({ code: 0 });
  const lines = out.trimEnd().split('\n');
  expect(lines).toHaveLength(1);
  const result = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  expect(result).toMatchObject({ kills: 2, lost: 0, duplicated: 0, reordered: 0 });
  expect(Object.keys(result)).toEqual(expect.arrayContaining(['inputs', 'outputs', 'gap_ms', 'postgres']));
  for (const pid of await nodePids()) expect(exists(pid)).toBe(false);
});

it('shows a running pair without a terminal and stops everything on Ctrl-C', async () => {
  const { child, ended, said } = start('--reset');
  await eventually('the pair runs', () => /counter [1-9]/.test(said()));
  expect(said()).toContain('a fresh start');
  const pids = await nodePids();
  child.kill('SIGINT');
  const { code } = await ended;
  expect(code).toBe(0);
  for (const pid of pids) expect(exists(pid)).toBe(false);
});

it('says so when it continues an earlier run, and its nodes end when it is killed itself', async () => {
  const { child, ended, said } = start();
  await eventually('the pair runs', () => said().includes('from an earlier run'));
  const second = await start().ended;
  expect(second.code).toBe(1);
  expect(second.errors).toContain('a demo runs already');
  const pids = await nodePids();
  child.kill('SIGKILL');
  await ended;
  await eventually('its nodes are gone', () => !pids.some(exists));
});

it.each([
  ['--kills', 'many'],
  ['--nonsense', 'x'],
])('refuses %s %s in one line', async (option, value) => {
  const { code, errors } = await start(option, value).ended;
  expect(code).toBe(2);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
});
