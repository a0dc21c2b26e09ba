// What every SnapshotStore must do, run on the in-memory one and on every real one.
import { createHash } from 'node:crypto';
import type { AppName, Epoch } from '@tandem/pair';
import type { RevisionHead, SnapshotStore, WriteOutcome } from '../snapshot-store.ts';

export interface SnapshotStoreWorld {
  /** A store over the same contents, such as another process would have. */
  create(): SnapshotStore;
  /** Changes one byte of what is kept of that revision, behind the store's back. */
  corrupt(app: AppName, revision: number): Promise<void>;
  dispose(): Promise<void>;
}

const largest_bytes = 4 * 1024 * 1024;

export function describeSnapshotStore(name: string, make: () => Promise<SnapshotStoreWorld>): void {
  describe(`${name} as a snapshot store`, () => {
    let world: SnapshotStoreWorld;
    let store: SnapshotStore;

    beforeEach(async () => {
      world = await make();
      store = world.create();
    });

    afterEach(async () => {
      await world.dispose();
    });

    function head(epoch: number, app = 'orders'): RevisionHead {
      return { app, appVersion: 3, topologyHash: 'abc', epoch: epoch as Epoch };
    }

    function write(epoch: number, text: string, app = 'orders', into = store): Promise<WriteOutcome> {
      return into.write(head(epoch, app), pieces(Buffer.from(text), 7), () => ({ 'orders/0': '42' }));
    }

    async function revisions(app = 'orders', of = store): Promise<readonly number[]> {
      return (await of.list(app)).map((each) => each.revision);
    }

    async function text(revision: number, app = 'orders', of = store): Promise<string> {
      return Buffer.concat(await collect(of.read(app, revision))).toString();
    }

    it('gives back what was written, with what was said of it, to another process too', async () => {
      const before_ms = Date.now();
      let asked = 0;
      const written = await store.write(head(5), pieces(Buffer.from('a snapshot of some length'), 4), () => {
        asked += 1;
        return { 'orders/0': '9007199254740991', 'orders/1': '0' };
      });
      expect(written).toEqual({ outcome: 'stored', revision: 1, size_bytes: 25 });
      expect(asked).toBe(1);
      const other = world.create();
      const listed = await other.list('orders');
      expect(listed).toEqual([
        {
          ...head(5),
          revision: 1,
          positions: { 'orders/0': '9007199254740991', 'orders/1': '0' },
          size_bytes: 25,
          createdAt_ms: expect.any(Number) as number,
        },
      ]);
      expect(Math.abs((listed[0]?.createdAt_ms ?? 0) - before_ms)).toBeLessThan(3_600_000);
      expect(await text(1, 'orders', other)).toBe('a snapshot of some length');
    });

    it('asks for the positions when the stream has ended, not before', async () => {
      let position = 0;
      async function* content() {
        for (position = 1; position <= 3; position += 1) yield await Promise.resolve(Buffer.from('x'));
      }
      await store.write(head(1), content(), () => ({ 'orders/0': String(position) }));
      expect((await store.list('orders'))[0]?.positions).toEqual({ 'orders/0': '4' });
    });

    it('keeps an empty snapshot', async () => {
      expect(await write(1, '')).toEqual({ outcome: 'stored', revision: 1, size_bytes: 0 });
      expect(await text(1)).toBe('');
    });

    it('lists revisions newest first, apart by app', async () => {
      expect(await store.list('orders')).toEqual([]);
      await write(1, 'one');
      await write(1, 'two');
      await write(2, 'three');
      await write(1, 'other', 'payments');
      const listed = await store.list('orders');
      expect(listed.map((each) => each.revision)).toEqual([3, 2, 1]);
      expect(listed.map((each) => each.epoch)).toEqual([2, 1, 1]);
      expect(await revisions('payments')).toEqual([1]);
      expect(await text(2)).toBe('two');
      expect(await text(1, 'payments')).toBe('other');
    });

    it('refuses an older epoch once a newer one has written, per app', async () => {
      expect(await store.highestEpoch('orders')).toBeUndefined();
      await write(4, 'four');
      const other = world.create();
      expect(await other.highestEpoch('orders')).toBe(4);
      expect(await write(3, 'stale', 'orders', other)).toEqual({ outcome: 'fenced', byEpoch: 4 });
      expect(await write(3, 'fine', 'payments')).toMatchObject({ outcome: 'stored' });
      expect(await write(4, 'again')).toMatchObject({ outcome: 'stored', revision: 2 });
      expect(await revisions()).toEqual([2, 1]);
    });

    it('refuses a write that a newer epoch overtook while it was under way', async () => {
      const gate = promise();
      const reached = promise();
      async function* slow() {
        yield Buffer.from('begun by the old epoch');
        reached.resolve();
        await gate.done;
        yield Buffer.from('ended by it');
      }
      const stale = store.write(head(1), slow(), () => ({}));
      await reached.done;
      const other = world.create();
      expect(await write(2, 'overtook', 'orders', other)).toMatchObject({ outcome: 'stored' });
      gate.resolve();
      expect(await stale).toEqual({ outcome: 'fenced', byEpoch: 2 });
      const listed = await store.list('orders');
      expect(listed).toHaveLength(1);
      expect(await text(listed[0]?.revision ?? 0)).toBe('overtook');
    });

    it('lists nothing of a write under way, and nothing of a stream that threw', async () => {
      async function* torn() {
        yield Buffer.from('half a snap');
        expect(await world.create().list('orders')).toEqual([]);
        throw new Error('the lane failed');
      }
      await expect(store.write(head(1), torn(), () => ({}))).rejects.toThrow('the lane failed');
      expect(await revisions()).toEqual([]);
      expect(await write(1, 'whole')).toMatchObject({ outcome: 'stored' });
      expect(await revisions()).toHaveLength(1);
    });

    it('leaves nothing behind when the positions cannot be had', async () => {
      const failing = store.write(head(1), pieces(Buffer.from('x'), 1), () => {
        throw new Error('no positions');
      });
      await expect(failing).rejects.toThrow('no positions');
      expect(await revisions()).toEqual([]);
    });

    it('numbers two writes at the same time apart', async () => {
      const other = world.create();
      const written = await Promise.all([write(1, 'one'), write(1, 'two', 'orders', other)]);
      expect(written.map((each) => (each.outcome === 'stored' ? each.revision : 0)).sort()).toEqual([1, 2]);
      expect((await Promise.all([text(1), text(2)])).sort()).toEqual(['one', 'two']);
    });

    it('streams fifty megabytes in and out, in chunks that are not too large', async () => {
      const size_bytes = 50 * 1024 * 1024;
      const hash = createHash('sha256');
      async function* content() {
        const block = Buffer.alloc(160 * 1024);
        for (let at = 0; at < size_bytes; at += block.length) {
          for (let i = 0; i < block.length; i += 4) block.writeUInt32LE((at + i * 2654435761) >>> 0, i);
          hash.update(block);
          yield await Promise.resolve(Buffer.from(block));
        }
      }
      const written = await store.write(head(1), content(), () => ({}));
      expect(written).toEqual({ outcome: 'stored', revision: 1, size_bytes });
      const read = createHash('sha256');
      let read_bytes = 0;
      for await (const chunk of store.read('orders', 1)) {
        expect(chunk.length).toBeLessThanOrEqual(largest_bytes);
        read.update(chunk);
        read_bytes += chunk.length;
      }
      expect(read_bytes).toBe(size_bytes);
      expect(read.digest('hex')).toBe(hash.digest('hex'));
    });

    it('takes a piece that is larger than a chunk, and its bytes as they were when it was given', async () => {
      const large = Buffer.alloc(9 * 1024 * 1024, 7);
      async function* content() {
        yield await Promise.resolve(large);
        const reused = Buffer.from('first ');
        yield reused;
        reused.write('second');
        yield reused;
      }
      await store.write(head(1), content(), () => ({}));
      const chunks = await collect(store.read('orders', 1));
      for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(largest_bytes);
      const all = Buffer.concat(chunks);
      expect(all.subarray(0, large.length).equals(large)).toBe(true);
      expect(all.subarray(large.length).toString()).toBe('first second');
    });

    it('stops reading when the reader has had enough', async () => {
      await store.write(head(1), pieces(Buffer.alloc(9 * 1024 * 1024), 1024 * 1024), () => ({}));
      for await (const chunk of store.read('orders', 1)) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect(await revisions()).toEqual([1]);
    });

    it('says that a revision is missing', async () => {
      await write(1, 'one');
      await expect(collect(store.read('orders', 2))).rejects.toMatchObject({ code: 'revision-missing' });
      await expect(collect(store.read('payments', 1))).rejects.toMatchObject({ code: 'revision-missing' });
    });

    it('says that a revision is corrupt rather than giving wrong bytes', async () => {
      await write(1, 'good');
      await write(1, 'was good once');
      await world.corrupt('orders', 2);
      await expect(collect(store.read('orders', 2))).rejects.toMatchObject({ code: 'snapshot-corrupt' });
      expect(await text(1)).toBe('good');
    });

    it('prunes to the newest so many and goes on counting', async () => {
      for (const each of ['one', 'two', 'three', 'four']) await write(1, each);
      await write(1, 'other', 'payments');
      expect([...(await store.prune('orders', 2))].sort()).toEqual([1, 2]);
      expect(await revisions()).toEqual([4, 3]);
      expect(await text(3)).toBe('three');
      await expect(collect(store.read('orders', 1))).rejects.toMatchObject({ code: 'revision-missing' });
      expect(await store.prune('orders', 2)).toEqual([]);
      expect(await revisions('payments')).toEqual([1]);
      expect(await write(1, 'five')).toMatchObject({ revision: 5 });
    });

    it('never prunes the newest revision', async () => {
      await write(1, 'one');
      await expect(store.prune('orders', 0)).rejects.toThrow(RangeError);
      expect(await revisions()).toEqual([1]);
    });

    it('deletes all of an app, and still refuses older epochs afterwards', async () => {
      await write(2, 'one');
      await write(2, 'two');
      await write(1, 'other', 'payments');
      expect(await store.deleteAll('orders')).toBe(2);
      expect(await revisions()).toEqual([]);
      expect(await revisions('payments')).toEqual([1]);
      expect(await store.deleteAll('orders')).toBe(0);
      expect(await store.highestEpoch('orders')).toBe(2);
      expect(await write(1, 'stale')).toEqual({ outcome: 'fenced', byEpoch: 2 });
      expect(await write(2, 'new')).toMatchObject({ outcome: 'stored', revision: 3 });
    });
  });
}

async function* pieces(bytes: Buffer, size_bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size_bytes) {
    yield await Promise.resolve(bytes.subarray(at, at + size_bytes));
  }
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const each of content) all.push(Buffer.from(each));
  return all;
}

function promise(): { readonly done: Promise<void>; resolve(): void } {
  let resolve: () => void = () => undefined;
  const done = new Promise<void>((settle) => {
    resolve = settle;
  });
  return {
    done,
    resolve: () => {
      resolve();
    },
  };
}
