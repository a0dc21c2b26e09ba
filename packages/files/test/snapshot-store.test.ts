// What only a store in a folder can get wrong: names, rights, the order of what is made durable, and writers that cannot
// be locked out.
import { mkdir, open, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { readlinkSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Epoch } from '@tandem/pair';
import type { RevisionHead, SnapshotStore } from '@tandem/ports';
import { createFilesSnapshotStore, filesStoreSchema, reachFolder } from '@tandem/files';
import { appFolder, freshFolder } from './support/folder.ts';

let folder: string;
let remove: () => Promise<void>;
let store: SnapshotStore;

beforeEach(async () => {
  ({ folder, remove } = await freshFolder());
  store = create();
});

afterEach(async () => {
  jest.restoreAllMocks();
  await store.close();
  await remove();
});

const create = (): SnapshotStore => createFilesSnapshotStore({ folder, pair: 'pair' });

const head = (epoch: number, app = 'orders'): RevisionHead => ({
  app,
  appVersion: 1,
  topologyHash: 'abc',
  epoch: epoch as Epoch,
});

async function* bytes(...pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(Buffer.from(piece));
}

const write = (epoch: number, text = 'text', app = 'orders', into = store) =>
  into.write(head(epoch, app), bytes(text), () => ({}));

const names = async (app = 'orders'): Promise<string[]> => (await readdir(appFolder(folder, 'pair', app))).sort();

async function text(revision: number, app = 'orders'): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of store.read(app, revision)) all.push(chunk);
  return Buffer.concat(all).toString();
}

/** Everything below a folder, with its rights. */
async function tree(of: string): Promise<string[]> {
  const found = (await readdir(of, { recursive: true })).sort();
  return await Promise.all(
    found.map(async (name) => {
      const { mode } = await stat(path.join(of, name));
      return `${(mode & 0o777).toString(8)} ${name}`;
    }),
  );
}

describe('names', () => {
  it.each(['..', '.', '../../etc', 'a/b', 'a\\b', 'Ünï', 'Orders', 'a%2fb', 'con.'])(
    'of the app "%s" stay inside of the folder',
    async (app) => {
      await write(1, 'mine', app);
      expect(await text(1, app)).toBe('mine');
      expect(await readdir(folder)).toEqual(['pair']);
      const [name, ...others] = await readdir(path.join(folder, 'pair'));
      expect(others).toEqual([]);
      expect(name).toMatch(/^[a-z0-9_%-]+$/);
    },
  );

  it('that differ in case only are not the same folder anywhere', async () => {
    await write(1, 'lower', 'orders');
    await write(1, 'upper', 'Orders');
    const found = await readdir(path.join(folder, 'pair'));
    expect(new Set(found.map((name) => name.toLowerCase())).size).toBe(2);
    expect(await text(1, 'orders')).toBe('lower');
    expect(await text(1, 'Orders')).toBe('upper');
  });

  it('of others in the folder are left alone', async () => {
    await write(1);
    const own = appFolder(folder, 'pair', 'orders');
    await writeFile(path.join(own, 'README'), 'hands off');
    await mkdir(path.join(own, 'revision-x'));
    await symlink('/etc', path.join(own, 'gone'));
    await write(2);
    await store.prune('orders', 1);
    await store.deleteAll('orders');
    expect(await names()).toEqual(['README', 'epoch-2', 'gone', 'numbered-2', 'revision-x']);
  });
});

describe('on disk', () => {
  it('everything is for its owner only, and the content lies there as it is', async () => {
    await write(7, 'as it is');
    expect(await tree(folder)).toEqual([
      '700 pair',
      '700 pair/orders',
      '600 pair/orders/epoch-7',
      '700 pair/orders/revision-1',
      '600 pair/orders/revision-1/revision.json',
      '600 pair/orders/revision-1/snapshot.gz',
    ]);
    const file = await open(path.join(appFolder(folder, 'pair', 'orders'), 'revision-1/snapshot.gz'));
    expect((await file.readFile()).toString()).toBe('as it is');
    await file.close();
  });

  // Which file is meant is read from /proc.
  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux(
    'files are durable before the epoch is, that before the revision has its name, and the name before it is stored',
    async () => {
      await write(1);
      const steps = await recordSteps();
      await write(2);
      const part = /part-2-[0-9a-f]{12}/g;
      expect(steps.map((step) => step.replace(part, 'part'))).toEqual([
        'sync orders/part/snapshot.gz',
        'sync orders/part/revision.json',
        'sync orders',
        'sync orders/part',
        'rename orders/part orders/revision-2',
        'sync orders',
      ]);
    },
  );

  onLinux('a revision that is deleted is out of sight, durably, before its files go', async () => {
    await write(1);
    await write(1);
    const steps = await recordSteps();
    expect(await store.prune('orders', 1)).toEqual([1]);
    expect(steps.map((step) => step.replace(/gone-[0-9a-f]{12}/, 'gone'))).toEqual([
      'rename orders/revision-1 orders/gone',
      'sync orders',
      'rm gone',
    ]);
  });

  it('a revision whose description is damaged is not listed, and says so when it is read', async () => {
    for (let count = 0; count < 3; count++) await write(1);
    const file = path.join(appFolder(folder, 'pair', 'orders'), 'revision-3/revision.json');
    const handle = await open(file, 'r+');
    const said = (await handle.readFile()).toString();
    await handle.write(said.replace('"appVersion": 1', '"appVersion": 2'), 0);
    await handle.close();
    expect((await store.list('orders')).map(({ revision }) => revision)).toEqual([2, 1]);
    await expect(text(3)).rejects.toMatchObject({ code: 'snapshot-corrupt' });
    // It goes with the revisions of its time.
    expect(await write(1)).toMatchObject({ revision: 4 });
    expect(await store.prune('orders', 1)).toEqual([2, 1]);
    expect(await names()).toEqual(['epoch-1', 'revision-4']);
  });
});

describe('an older epoch that cannot be locked out', () => {
  /** Runs `between` right before the next renaming that makes a revision. */
  function beforeRename(between: () => Promise<unknown>): void {
    const rename = fs.rename;
    const spy = jest.spyOn(fs, 'rename').mockImplementation(async (from, to) => {
      if (!String(to).includes('revision-')) {
        await rename(from, to);
        return;
      }
      spy.mockRestore();
      await between();
      await rename(from, to);
    });
  }

  it('takes back what it stored when a newer one wrote after its last look', async () => {
    await write(1, 'before');
    beforeRename(() => write(2, 'newer', 'orders', create()));
    expect(await write(1, 'late')).toEqual({ outcome: 'fenced', byEpoch: 2 });
    expect(await store.list('orders')).toMatchObject([{ epoch: 2 }, { epoch: 1, revision: 1 }]);
    await store.prune('orders', 3);
    expect((await names()).filter((name) => name.startsWith('part'))).toEqual([]);
  });

  it('is never listed before a newer one, whatever its number', async () => {
    // It dies between the renaming and its look back.
    await write(1, 'before');
    await write(2, 'newer');
    const late = path.join(appFolder(folder, 'pair', 'orders'), 'revision-3');
    await fs.cp(path.join(appFolder(folder, 'pair', 'orders'), 'revision-1'), late, { recursive: true });
    expect((await store.list('orders')).map(({ revision }) => revision)).toEqual([2, 3, 1]);
    expect(await write(2, 'next')).toMatchObject({ revision: 4 });
    expect(await store.prune('orders', 2)).toEqual([3, 1]);
  });

  it('is told so when its part was cleared away by a newer one', async () => {
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('begun');
      await write(2, 'newer', 'orders', create());
      await create().prune('orders', 3);
      yield Buffer.from('ended');
    }
    expect(await store.write(head(1), slow(), () => ({}))).toEqual({ outcome: 'fenced', byEpoch: 2 });
    expect(await names()).toEqual(['epoch-2', 'revision-1']);
  });

  it('leaves parts of the epoch that holds the store alone', async () => {
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('begun ');
      await create().prune('orders', 3);
      await create().deleteAll('orders');
      yield Buffer.from('ended');
    }
    expect(await store.write(head(1), slow(), () => ({}))).toMatchObject({ outcome: 'stored' });
    expect(await text(1)).toBe('begun ended');
  });
});

describe('the rest', () => {
  it('gives a reader all of a revision that is pruned meanwhile', async () => {
    const large = 'x'.repeat(5 << 20);
    await write(1, large);
    await write(1);
    let size_bytes = 0;
    for await (const chunk of store.read('orders', 1)) {
      if (size_bytes === 0) expect(await store.prune('orders', 1)).toEqual([1]);
      size_bytes += chunk.length;
    }
    expect(size_bytes).toBe(large.length);
  });

  it('ends a write under way when it is closed', async () => {
    let closing: Promise<void> | undefined;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.alloc(1024);
        closing ??= store.close();
        await new Promise(setImmediate);
      }
    }
    await expect(store.write(head(1), endless(), () => ({}))).rejects.toMatchObject({ code: 'store-closed' });
    await closing;
    expect(await create().list('orders')).toEqual([]);
    expect(await names()).toEqual([]);
  });

  it('says what is wrong with a folder, as one line with what to do', async () => {
    const file = path.join(folder, 'file');
    await writeFile(file, '');
    const wrong = createFilesSnapshotStore({ folder: path.join(file, 'below'), pair: 'pair' });
    await expect(wrong.write(head(1), bytes('x'), () => ({}))).rejects.toMatchObject({
      code: 'store-refused',
      blame: 'user',
      message: expect.stringMatching(/a part of the path is no folder/) as string,
    });
    await expect(reachFolder(path.join(file, 'below'))).rejects.toMatchObject({ code: 'store-refused' });
    await expect(reachFolder(file)).rejects.toMatchObject({ code: 'store-refused' });
  });

  it('looks at the folder without making it', async () => {
    expect(await reachFolder(folder)).toMatch(/^folder \S+, \d+\.\d GiB free$/);
    const below = path.join(folder, 'not', 'yet');
    expect(await reachFolder(below)).toMatch(/not\/yet, will be made at the first start, /);
    expect(await readdir(folder)).toEqual([]);
  });

  it('wants an absolute folder', () => {
    expect(filesStoreSchema.safeParse({ folder: '/var/lib/tandem' }).success).toBe(true);
    expect(filesStoreSchema.safeParse({ folder: 'snapshots' }).error?.issues[0]?.message).toMatch(/absolute/);
  });
});

/** What is made durable, renamed and removed from now on, in order; paths as seen from the pair's folder. */
async function recordSteps(): Promise<string[]> {
  const steps: string[] = [];
  const shown = (at: unknown): string => path.relative(path.join(folder, 'pair'), String(at));
  const handle = await open(folder, 'r');
  const prototype = Object.getPrototypeOf(handle) as { sync: (this: { readonly fd: number }) => Promise<void> };
  await handle.close();
  const { sync } = prototype;
  jest.spyOn(prototype, 'sync').mockImplementation(async function (this: { readonly fd: number }) {
    steps.push(`sync ${shown(readlinkSync(`/proc/self/fd/${String(this.fd)}`))}`);
    await sync.call(this);
  });
  const { rename, rm } = fs;
  jest.spyOn(fs, 'rename').mockImplementation(async (from, to) => {
    steps.push(`rename ${shown(from)} ${shown(to)}`);
    await rename(from, to);
  });
  jest.spyOn(fs, 'rm').mockImplementation(async (at, options) => {
    if (/gone-/.test(String(at))) steps.push(`rm ${path.basename(String(at)).replace(/-.*/, '')}`);
    await rm(at, options);
  });
  return steps;
}
