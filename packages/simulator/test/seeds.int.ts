// Whole pairs in virtual time: thousands of seeds, through the command itself.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

function simulate(...args: readonly string[]) {
  const command = [path.join('scripts', 'run.mjs'), path.join('packages', 'simulator', 'src', 'pair', 'main.ts')];
  return spawnSync(process.execPath, [...command, ...args], { cwd: root, encoding: 'utf8', timeout: 580_000 });
}

function lastLine(text: string): unknown {
  return JSON.parse(text.trim().split('\n').at(-1) ?? '');
}

it('2,000 seeds lose, double and reorder nothing, and always come back in step', () => {
  const { stdout, status } = simulate('--seeds', '1..2000');
  expect(stdout.split('\n').filter((line) => line.startsWith('seed '))).toEqual([]);
  expect(lastLine(stdout)).toMatchObject({ seeds: 2_000, failed: 0 });
  expect(status).toBe(0);
}, 600_000);

it('a seed is the same run every time, and tells what happened when it is asked to', () => {
  const runs = [simulate('--seed', '10', '--transcript'), simulate('--seed', '10', '--transcript')];
  expect(runs[0]?.stdout).toBe(runs[1]?.stdout);
  expect(runs[0]?.stdout).toMatch(/role changed/);
  expect(lastLine(runs[0]?.stdout ?? '')).toMatchObject({ seed: 10, violations: 0 });
});

it.each([
  [[], 'give either --seed N or --seeds A..B'],
  [['--seed', '1', '--seeds', '1..2'], 'give either --seed N or --seeds A..B'],
  [['--seed', 'one'], 'must be a whole number'],
  [['--seed', '-1'], 'must be a whole number'],
  [['--seeds', '5'], 'must be a range such as 1..2000'],
  [['--seeds', '5..2'], 'ends before it begins'],
  [['--seeds', '1..2', '--faults', 'kill,earthquake'], "'earthquake' is none of kill,"],
  [['--seeds', '1..2', '--processes', '0'], 'must be a whole number from 1'],
  [['--colour'], "unknown option '--colour'"],
])('refuses %j in one line, exit code 2', (args, reason) => {
  const { stderr, stdout, status } = simulate(...args);
  const lines = stderr.split('\n').filter((line) => line.startsWith('error'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(reason);
  expect([stdout, status]).toEqual(['', 2]);
});
