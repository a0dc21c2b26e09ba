// Snapshots of lanes on logs and sinks in memory: taken at any moment, restored elsewhere, refused when damaged.
import fc from 'fast-check';
import { running, runningOutputs } from './support/apps.ts';
import { World } from './support/memory-lane.ts';
import { genesis, upTo, worldsOfThisFile } from './support/worlds.ts';

const world = worldsOfThisFile();

describe('a snapshot', () => {
  it('taken at any moment and restored elsewhere leads to exactly the same outputs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 150 }),
        fc.nat(150),
        fc.nat(150),
        fc.boolean(),
        fc.boolean(),
        async (values, cutAfter, killAfter, activeBeforeCut, caughtUpBeforeCut) => {
          const made = new World({ app: running, partitions: 2, pageRecords: 7, publishMaxOutputs: 10 });
          try {
            const cut = Math.min(cutAfter, values.length);
            const kill = Math.max(cut, Math.min(killAfter, values.length));
            const first = made.start();
            await first.startAt();
            if (activeBeforeCut) await first.goLive(1, genesis);
            made.feed(0, values.slice(0, cut));
            if (caughtUpBeforeCut) await first.caughtUp();
            const chunks = await first.snapshot();
            if (!activeBeforeCut) await first.goLive(1, genesis);
            made.feed(0, values.slice(cut, kill));
            first.kill();
            made.feed(0, values.slice(kill));
            const second = made.start();
            await second.restore(chunks);
            await second.goLive(2);
            await second.publishedUpTo(values.length);
            expect(made.written('out')).toEqual(runningOutputs(values));
          } finally {
            await made.close();
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('taken in the middle of a page, while inputs stream, leads to exactly the same outputs', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const piece = fc.array(fc.tuple(fc.constantFrom(...keys), fc.nat(99)), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 4, maxLength: 16 }),
        fc.nat(15),
        fc.nat(4),
        fc.boolean(),
        async (pieces, askAt, killAfter, isActive) => {
          // A turn is 16 records, a page up to 100: cuts fall within pages, also of the task that is cut second.
          const made = new World({ app: running, partitions: 2, pageRecords: 100, slice_ms: 0, publishMaxOutputs: 7 });
          try {
            const first = made.start();
            await first.startAt();
            if (isActive) await first.goLive(1, genesis);
            let snapshot: Promise<ArrayBuffer[]> | undefined;
            for (const [number, records] of pieces.entries()) {
              if (number === Math.min(askAt, pieces.length - 1)) snapshot = first.snapshot();
              // One partition per key: what is put out for it then has one order.
              for (const [key, value] of records) made.feed(keys.indexOf(key) % 2, [value], key);
              await new Promise(setImmediate);
            }
            const chunks = (await snapshot) ?? [];
            if (!isActive) await first.goLive(1, genesis);
            for (let turn = 0; turn < killAfter; turn++) await new Promise(setImmediate);
            first.kill();
            const second = made.start();
            await second.restore(chunks);
            await second.goLive(2);
            await second.publishedUpTo(pieces.flat().length);
            for (const key of keys) {
              const values = pieces.flat().flatMap(([other, value]) => (other === key ? [value] : []));
              expect(made.written('out', key)).toEqual(runningOutputs(values));
            }
          } finally {
            await made.close();
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('waits for credit, and can be given up', async () => {
    const made = world();
    made.feed(0, upTo(50));
    const lane = made.start();
    await lane.startAt();
    await lane.caughtUp();
    lane.post({ type: 'snapshot-please', id: 1, credit: 0 });
    lane.post({ type: 'snapshot-please', id: 2, credit: 1 });
    expect(await lane.heard('snapshot-failed')).toMatchObject({ id: 2 });
    await lane.status();
    expect(lane.all('snapshot-chunk')).toEqual([]);
    lane.post({ type: 'snapshot-cancel', id: 1 });
    await lane.snapshot(3);
    expect(lane.all('snapshot-end')).toMatchObject([{ id: 3, positions: { 'in/0': '50', 'in/1': '0' } }]);
  });

  it('cannot be had before there is state', async () => {
    const lane = world().start();
    lane.post({ type: 'snapshot-please', id: 1, credit: 1 });
    expect((await lane.heard('snapshot-failed')).reason).toMatch(/no state/);
  });

  it('says which beginning it answers, when another one comes before it is done', async () => {
    const made = world();
    made.feed(0, upTo(50));
    const taker = made.start();
    await taker.startAt();
    await taker.caughtUp();
    const chunks = await taker.snapshot();
    const lane = made.start();
    await lane.heard('described');
    lane.post({ type: 'restore-begin', run: 4 });
    for (const frames of chunks) lane.post({ type: 'restore-frames', frames });
    lane.post({ type: 'restore-end' });
    lane.post({ type: 'start-at', run: 5, positions: genesis });
    lane.post({ type: 'restore-begin', run: 6 });
    for (const frames of chunks) lane.post({ type: 'restore-frames', frames });
    lane.post({ type: 'restore-begin', run: 7 });
    for (const frames of chunks) lane.post({ type: 'restore-frames', frames });
    lane.post({ type: 'restore-end' });
    await lane.heard('restored', ({ run }) => run === 7);
    expect(lane.all('restored').map(({ run }) => run)).toEqual([4, 5, 7]);
    expect([...new Set(lane.all('restore-credit').map(({ run }) => run))]).toEqual([4, 6, 7]);
  });

  it('of an app with other tasks is refused', async () => {
    const small = world({ partitions: 1 });
    const taker = small.start();
    await taker.startAt();
    const chunks = await taker.snapshot();
    const lane = world({ partitions: 2 }).start();
    await lane.heard('described');
    lane.post({ type: 'restore-begin', run: 1 });
    for (const frames of chunks) lane.post({ type: 'restore-frames', frames });
    lane.post({ type: 'restore-end' });
    expect(await lane.heard('failed')).toMatchObject({
      code: 'snapshot',
      blame: 'user',
      reason: expect.stringMatching(/in\/1/) as string,
    });
  });

  it('that is damaged or cut off is refused', async () => {
    const made = world();
    made.feed(0, upTo(50));
    const taker = made.start();
    await taker.startAt();
    await taker.caughtUp();
    const [chunk = new ArrayBuffer(0)] = await taker.snapshot();
    const damaged = chunk.slice(0);
    new Uint8Array(damaged).fill(7, 60, 62);
    for (const frames of [damaged, chunk.slice(0, chunk.byteLength - 3)]) {
      const lane = made.start();
      await lane.heard('described');
      lane.post({ type: 'restore-begin', run: 1 });
      lane.post({ type: 'restore-frames', frames });
      lane.post({ type: 'restore-end' });
      expect(await lane.heard('failed')).toMatchObject({ code: 'snapshot', blame: 'failure' });
    }
  });

  it('can replace the state a lane has', async () => {
    const made = world();
    made.feed(0, upTo(50));
    const first = made.start();
    await first.startAt();
    await first.caughtUp();
    const chunks = await first.snapshot();
    made.feed(0, upTo(60, 50));
    await first.caughtUp();
    await first.restore(chunks);
    await first.caughtUp();
    await first.goLive(1, genesis);
    expect(made.written('out')).toEqual(runningOutputs(upTo(60)));
  });
});
