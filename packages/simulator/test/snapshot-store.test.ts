import { describeSnapshotStore } from '@tandem/ports/contract';
import type { Epoch } from '@tandem/pair';
import type { RevisionHead, SnapshotStore } from '@tandem/ports';
import { MemoryRevisions } from '@tandem/simulator';

const clock = { now_ms: () => 0, wall_ms: () => Date.now(), after: () => ({ cancel: () => undefined }) };

describeSnapshotStore('memory', () => {
  const revisions = new MemoryRevisions();
  return Promise.resolve({
    create: () => revisions.open(clock),
    corrupt: (app, revision) => {
      revisions.corrupt(app, revision);
      return Promise.resolve();
    },
    dispose: () => Promise.resolve(),
  });
});

describe('what a simulation does to it', () => {
  const app = 'orders';
  const head: RevisionHead = { app, appVersion: 1, topologyHash: 'x', epoch: 1 as Epoch };
  let revisions: MemoryRevisions;
  let store: SnapshotStore;

  beforeEach(() => {
    revisions = new MemoryRevisions();
    store = revisions.open(clock);
  });

  async function* pieces(count: number, meanwhile?: () => void): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < count; index++) {
      if (index === 1) meanwhile?.();
      yield await Promise.resolve(Buffer.alloc(4096, index));
    }
  }

  it('keeps nothing of a revision during which its space ran out, and what it had before', async () => {
    await store.write(head, pieces(2), () => ({}));
    let isFull = false;
    revisions.isFull = () => isFull;
    const write = store.write(
      head,
      pieces(3, () => {
        isFull = true;
      }),
      () => ({}),
    );
    await expect(write).rejects.toMatchObject({ code: 'store-full' });
    await expect(store.list(app)).resolves.toMatchObject([{ revision: 1 }]);
    isFull = false;
    await expect(store.write(head, pieces(3), () => ({}))).resolves.toMatchObject({ outcome: 'stored', revision: 2 });
  });

  it('hands out what lies before the damage', async () => {
    await store.write(head, pieces(4), () => ({}));
    expect(revisions.isWhole(app, 1)).toBe(true);
    revisions.corrupt(app, 1, 0.6);
    expect(revisions.isWhole(app, 1)).toBe(false);
    const read: number[] = [];
    const reading = (async () => {
      for await (const piece of store.read(app, 1)) read.push(piece[0] ?? -1);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'snapshot-corrupt' });
    expect(read).toEqual([0, 1]);
  });
});
