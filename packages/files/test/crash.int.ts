// Processes that are killed while they write, and disks that take no more.
import { execFileSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Epoch } from '@tandem/pair';
import type { SnapshotStore } from '@tandem/ports';
import { createFilesSnapshotStore } from '@tandem/files';
import { appFolder, freshFolder } from './support/folder.ts';
import { bundle, Program } from './support/program.ts';

jest.setTimeout(60_000);

let folder: string;
let remove: () => Promise<void>;
let writer: string;
let store: SnapshotStore;

beforeEach(async () => {
  const fresh = await freshFolder();
  remove = fresh.remove;
  folder = path.join(fresh.folder, 'snapshots');
  writer = await bundle('writer', fresh.folder);
  store = createFilesSnapshotStore({ folder, pair: 'pair' });
});

afterEach(async () => {
  await store.close();
  await remove();
});

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}

const write = (epoch: number) =>
  store.write({ app: 'orders', appVersion: 1, topologyHash: 'abc', epoch: epoch as Epoch }, bytes('whole'), () => ({}));

const names = async (): Promise<string[]> => (await readdir(appFolder(folder, 'pair', 'orders'))).sort();

async function readAll(revision: number): Promise<number> {
  let size_bytes = 0;
  for await (const chunk of store.read('orders', revision)) size_bytes += chunk.length;
  return size_bytes;
}

describe('a process that is killed while it writes', () => {
  it('leaves nothing that is listed, and what it leaves is cleared away by the next epoch, not before', async () => {
    const program = new Program(process.execPath, [writer, folder, '1', '0']);
    await program.until(/writing/);
    await program.kill();
    expect(await store.list('orders')).toEqual([]);
    expect(await names()).toEqual([expect.stringMatching(/^part-1-/)]);
    // For all that this one can know, the process of epoch 1 is still at it.
    await write(1);
    await store.prune('orders', 3);
    expect(await names()).toEqual(['epoch-1', expect.stringMatching(/^part-1-/), 'revision-1']);
    await write(2);
    await store.prune('orders', 3);
    expect(await names()).toEqual(['epoch-2', 'revision-1', 'revision-2']);
  });

  it('leaves every revision that is listed whole, whenever it is killed', async () => {
    const size_bytes = 256 * 1024;
    let stored = 0;
    for (let epoch = 1; epoch <= 8; epoch++) {
      const program = new Program(process.execPath, [writer, folder, String(epoch), String(size_bytes)]);
      await program.until(new RegExp(`stored ${String(stored + 1 + epoch)}$`));
      await program.kill();
      const said = program.said.map((line) => Number(/^stored (\d+)$/.exec(line)?.[1] ?? 0));
      const listed = (await store.list('orders')).map(({ revision }) => revision);
      // What it said was stored is there, or was pruned for newer ones.
      expect(Math.max(...listed)).toBeGreaterThanOrEqual(Math.max(...said));
      expect(listed).toEqual([...listed].sort((a, b) => b - a));
      for (const revision of listed) expect(await readAll(revision)).toBe(size_bytes);
      stored = Math.max(...listed);
    }
  });
});

describe('a disk that takes no more', () => {
  async function expectFull(message: RegExp, ...command: readonly [string, ...string[]]): Promise<void> {
    const [name, ...args] = command;
    const program = new Program(name, args);
    expect(await program.until(/^failed/)).toMatch(message);
    await program.exited;
    const left = (await names()).filter((entry) => !/^(epoch|revision)-\d+$/.test(entry));
    expect(left).toEqual([]);
    for (const { revision, size_bytes } of await store.list('orders')) expect(await readAll(revision)).toBe(size_bytes);
  }

  it('is said with what to do, and nothing is left behind: a limit on the size of files', async () => {
    // In blocks of 512 bytes or 1 KiB, as the shell has it.
    const limited = 'trap "" XFSZ; ulimit -f 256; exec "$0" "$@"';
    const command = [process.execPath, writer, folder, '1', String(4 << 20)];
    await expectFull(/^failed store-full: .*ulimit -f/, 'sh', '-c', limited, ...command);
    expect(await store.list('orders')).toEqual([]);
  });

  const mount = canMount() ? it : it.skip;
  mount('is said with what to do, and nothing is left behind: a file system that is full', async () => {
    await mkdir(folder);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder]);
    try {
      // The first fits, the second does not.
      const command = [process.execPath, writer, folder, '1', String(2 << 20)] as const;
      await expectFull(/^failed store-full: .*Make room/, ...command);
      expect((await store.list('orders')).map(({ revision }) => revision)).toEqual([1]);
    } finally {
      execFileSync('umount', [folder]);
    }
  });
});

/** Whether this user may mount a file system of its own. */
function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('sh', ['-c', 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && umount "$d" && rmdir "$d"'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
