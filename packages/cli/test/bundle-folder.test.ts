// Folders of bundles: one's own is there until it is removed, those of processes that are gone go away.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { makeBundleFolder } from '../src/bundle-folder.ts';

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'bundle-folders-'));
});

afterEach(() => {
  rmSync(parent, { recursive: true });
});

function leave(name: string): string {
  mkdirSync(path.join(parent, name, '0'), { recursive: true });
  return name;
}

it('is removed on request, and two of one process do not disturb each other', () => {
  const first = makeBundleFolder(parent);
  const second = makeBundleFolder(parent);
  expect(existsSync(first.folder)).toBe(true);
  first.remove();
  expect(readdirSync(parent)).toEqual([path.basename(second.folder)]);
  second.remove();
  expect(readdirSync(parent)).toEqual([]);
});

it('takes away what processes left that are gone, and nothing else', () => {
  const { pid: dead } = spawnSync(process.execPath, ['--version']);
  const here = `tandem-bundles-${hostname()}-`;
  leave(`${here}${String(dead)}-killed`);
  // A predecessor with the same process id, as in a container that was started again.
  leave(`${here}${String(process.pid)}-before`);
  const others = [
    leave(`${here}${String(process.ppid)}-lives`),
    leave(`tandem-bundles-elsewhere-${String(dead)}-lives`),
    leave('something-else'),
  ];
  const own = makeBundleFolder(parent);
  expect(readdirSync(parent).sort()).toEqual([...others, path.basename(own.folder)].sort());
  own.remove();
  expect(readdirSync(parent).sort()).toEqual(others.sort());
});
