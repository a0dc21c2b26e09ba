// Digest points of lanes in memory: at the same positions and with the same digests on two nodes, whatever their pages
// and slices, and whether they have processed everything or were restored on the way.
import { defineApp, json, tumbling, type App, type StandardSchemaV1 } from '@tandem/streams';
import { FrameReader, frameType, makeFrame, readTaskBegin, encodeJson } from '@tandem/snapshot';
import fc from 'fast-check';
import type { TaskDigest } from '@tandem/lane';
import { forked, running } from './support/apps.ts';
import { everyKilledLaneGone, World, type MemoryLane, type WorldOptions } from './support/memory-lane.ts';

afterAll(everyKilledLaneGone);

const every_inputs = 10;
/** Ends of inputs are not waited for, or soon. */
const never = { every_inputs, interval_ms: 60_000 };
const soon = { every_inputs, interval_ms: 40 };

function anything<T>(): StandardSchemaV1<T, T> {
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as T }) } };
}

/** Keeps the last value of each key, whatever it is, and counts in windows that close as values come. */
const keeping = defineApp({
  name: 'keeping',
  version: 1,
  sources: { in: json(anything<unknown>(), { key: 'utf8' }) },
  sinks: { out: json(anything<unknown>()) },
  build(flow) {
    const values = flow.from('in').groupByKey();
    values
      .reduce('last', (_, value) => value)
      .toStream()
      .to('out');
    values
      .windowedBy(tumbling({ size: '1 second' }))
      .count('counts', { emit: 'on-close' })
      .toStream()
      .to('out');
  },
}) as unknown as App;

async function within<T>(options: WorldOptions, use: (world: World) => Promise<T>): Promise<T> {
  const world = new World(options);
  try {
    return await use(world);
  } finally {
    await world.close();
  }
}

function digestsOf(lane: MemoryLane): readonly TaskDigest[] {
  return lane.all('digests').flatMap(({ digests }) => digests);
}

/** By task and position. @throws Error when there are two at one position. */
function byPoint(digests: readonly TaskDigest[]): Map<string, TaskDigest> {
  const points = new Map<string, TaskDigest>();
  for (const digest of digests) {
    const point = `${digest.task} ${digest.position}`;
    if (points.has(point)) throw new Error(`two digests at ${point}`);
    points.set(point, digest);
  }
  return points;
}

async function processed(world: World, chunks?: readonly ArrayBuffer[]): Promise<MemoryLane> {
  const lane = world.start();
  if (chunks === undefined) await lane.startAt();
  else await lane.restore(chunks);
  await lane.caughtUp();
  await lane.status();
  return lane;
}

/** MessagePack does not keep fields of these names. */
const values = fc.jsonValue({ maxDepth: 2 }).filter((value) => !/"(__proto__|toJSON)":/.test(JSON.stringify(value)));
const records = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), values), { maxLength: 70, size: 'max' });

function feed(world: World, values: readonly (readonly [string, unknown])[], timestamp = 0): void {
  world.input.append(
    0,
    values.map(([key, value], index) => ({
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify(value)),
      timestamp_ms: timestamp + index * 130,
    })),
  );
}

describe('digest points', () => {
  it('are at the same positions with the same digests, whatever pages and slices the inputs come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        async (values, pageRecords, otherPageRecords) => {
          const run = (records: number, slice_ms: number): Promise<readonly TaskDigest[]> =>
            within({ app: keeping, partitions: 1, pageRecords: records, slice_ms, digest: never }, async (world) => {
              feed(world, values);
              return digestsOf(await processed(world));
            });
          const one = await run(pageRecords, 0);
          const other = await run(otherPageRecords, 5);
          // One at the very end is taken with the end of the page or when the next input comes.
          const points = Array.from({ length: Math.ceil(values.length / every_inputs) }, (_, n) => n * every_inputs);
          const before = ({ position }: TaskDigest): boolean => Number(position) < values.length;
          expect(one.filter(before).map(({ position }) => Number(position))).toEqual(points);
          const others = byPoint(other);
          for (const [point, digest] of byPoint(one)) expect(others.get(point) ?? digest).toEqual(digest);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('are reached with the same digests by a lane that was restored anywhere before them', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.nat(70), fc.boolean(), async (values, cutAfter, isLive) => {
        await within({ app: keeping, partitions: 1, pageRecords: 7, digest: never }, async (world) => {
          const whole = world.start();
          await whole.startAt();
          if (isLive) await whole.goLive(1, { 'in/0': '0' });
          feed(world, values.slice(0, cutAfter));
          await whole.caughtUp();
          const chunks = await whole.snapshot();
          feed(world, values.slice(cutAfter), 130 * cutAfter);
          await whole.caughtUp();
          const restored = await processed(world, chunks);
          await whole.status();
          const points = byPoint(digestsOf(whole));
          const met = digestsOf(restored).filter(({ task, position }) => points.has(`${task} ${position}`));
          for (const digest of met) expect(points.get(`${digest.task} ${digest.position}`)).toEqual(digest);
          const ahead = [...points.values()].filter(({ position }) => Number(position) > cutAfter);
          expect(met.length).toBeGreaterThanOrEqual(ahead.length - 1);
        });
      }),
      { numRuns: 25 },
    );
  });

  it('come at the end of an input once nothing has come for the interval, and once only', async () => {
    await within({ app: running, partitions: 2, digest: soon }, async (world) => {
      world.feed(0, [1, 2, 3]);
      const lane = await processed(world);
      await lane.heard('digests', ({ digests }) => digests.some(({ position }) => position === '3'));
      await new Promise((resolve) => setTimeout(resolve, 150));
      world.feed(0, [4]);
      await lane.heard('digests', ({ digests }) => digests.some(({ position }) => position === '4'));
      expect([...byPoint(digestsOf(lane)).keys()].sort()).toEqual(['in/0 0', 'in/0 3', 'in/0 4', 'in/1 0']);
    });
  });

  it('do not come while they are switched off', async () => {
    await within({ app: running, partitions: 1, digest: { every_inputs: 0, interval_ms: 5 } }, async (world) => {
      world.feed(0, [1, 2, 3]);
      const lane = await processed(world);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await lane.snapshot();
      expect(lane.all('digests')).toEqual([]);
    });
  });
});

describe('a digest', () => {
  const states = async (values: readonly number[], app: App = running): Promise<readonly TaskDigest[]> =>
    within({ app, partitions: 1, digest: never }, async (world) => {
      world.feed(0, values);
      return digestsOf(await processed(world));
    });
  const values = Array.from({ length: 25 }, (_, n) => n);

  it('differs in state and outputs where an input differed, at every point after it', async () => {
    const right = await states(values);
    const wrong = await states(values.map((value) => (value === 13 ? 14 : value)));
    expect(wrong.map(({ position }) => position)).toEqual(['0', '10', '20']);
    expect(wrong.slice(0, 2)).toEqual(right.slice(0, 2));
    expect(wrong[2]?.state).not.toBe(right[2]?.state);
    expect(wrong[2]?.outputs).not.toBe(right[2]?.outputs);
  });

  it('differs in outputs alone where only these do', async () => {
    const right = await states(values, forked);
    const wrong = await states(values.with(13, 14), forked);
    expect(wrong[2]?.state).toBe(right[2]?.state);
    expect(wrong[2]?.outputs).not.toBe(right[2]?.outputs);
  });

  it('does not depend on what has been published, nor on the order in which publishers are named', async () => {
    const run = (publishers: Readonly<Record<string, readonly string[]>>, isLive: boolean) =>
      within({ app: forked, partitions: 1, publishers, digest: never }, async (world) => {
        const lane = world.start();
        await lane.startAt();
        if (isLive) await lane.goLive(1, { 'in/0': '0' });
        world.feed(0, values);
        await lane.caughtUp();
        return digestsOf(lane);
      });
    const one = await run({ first: ['left'], second: ['right'] }, true);
    const other = await run({ second: ['right'], first: ['left'] }, false);
    expect(one).toHaveLength(3);
    expect(other).toEqual(one);
  });

  it('says since when it knows the outputs: after a snapshot of the format before, from there', async () => {
    await within({ app: running, partitions: 1, digest: never }, async (world) => {
      world.feed(0, values);
      const taker = await processed(world);
      const chunks = (await taker.snapshot()).map(withoutHashes);
      const restored = await processed(world, chunks);
      world.feed(0, values);
      await restored.caughtUp();
      await restored.status();
      await taker.caughtUp();
      await taker.status();
      const last = digestsOf(restored).at(-1);
      const whole = digestsOf(taker).at(-1);
      expect(last).toMatchObject({ since: '25', position: whole?.position, state: whole?.state });
      expect(whole?.since).toBe('0');
      expect(last?.outputs).not.toBe(whole?.outputs);
    });
  });
});

/** As a node of format 1 would have written it. */
function withoutHashes(chunk: ArrayBuffer): ArrayBuffer {
  const frames = new FrameReader('tasks').push(new Uint8Array(chunk)).map((frame) => {
    if (frame.type !== frameType.taskBegin) return frame.bytes;
    const { task, position, stores, publishers } = readTaskBegin(frame);
    return makeFrame(frame.type, frame.task, encodeJson({ task, position, stores, publishers }));
  });
  const bytes = Buffer.concat(frames);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}
