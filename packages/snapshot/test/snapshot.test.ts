// The format: whatever the pieces it comes in, the same frames; whatever is damaged, it says so.
import { gunzipSync, gzipSync, crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import {
  checkHeader,
  crc32,
  encodeJson,
  EntryWriter,
  FrameReader,
  FrameWriter,
  frameType,
  joinSnapshot,
  makeFrame,
  readEntries,
  readHeader,
  readTaskBegin,
  SnapshotError,
  storeOfChunk,
  type Frame,
  type SnapshotHeader,
} from '@tandem/snapshot';

const header: SnapshotHeader = {
  format: 2,
  pair: 'orders',
  app: 'totals',
  appVersion: 3,
  topologyHash: '0123456789abcdef',
  epoch: 7,
  takenAt_ms: 1_700_000_000_000,
};

function taskParts(task: number, entries: readonly (readonly unknown[])[]): ArrayBuffer[] {
  const pieces: ArrayBuffer[] = [];
  const writer = new FrameWriter((frames) => pieces.push(frames), 4096);
  const begin = { task: `in/${String(task)}`, position: '12', stores: ['totals'], publishers: [] };
  writer.write(frameType.taskBegin, task, encodeJson(begin));
  const entryWriter = new EntryWriter((payload) => {
    writer.write(frameType.storeChunk, task, payload);
  });
  entryWriter.begin(0);
  for (const entry of entries) entryWriter.add(entry);
  const count = entryWriter.end();
  writer.write(frameType.taskEnd, task, encodeJson({ entries: [count], queue_bytes: [] }));
  writer.flush();
  return pieces;
}

// eslint-disable-next-line @typescript-eslint/require-await -- the join takes an asynchronous source
async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  for (const value of values) yield value;
}

async function wholeSnapshot(tasks: readonly (readonly (readonly unknown[])[])[]): Promise<Buffer> {
  const pieces = tasks.flatMap((entries, task) => taskParts(task, entries));
  const out: Uint8Array[] = [];
  for await (const piece of joinSnapshot(header, each(pieces), (bytes) => Promise.resolve(bytes))) out.push(piece);
  return Buffer.concat(out);
}

function readAll(bytes: Uint8Array, cuts: readonly number[] = []): Frame[] {
  const reader = new FrameReader();
  const frames: Frame[] = [];
  let start = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    frames.push(...reader.push(bytes.subarray(start, cut)));
    start = cut;
  }
  frames.push(...reader.push(bytes.subarray(start)));
  reader.finish();
  return frames;
}

function entriesOf(frames: readonly Frame[], task: number): unknown[] {
  const entries: unknown[] = [];
  for (const frame of frames) {
    if (frame.type !== frameType.storeChunk || frame.task !== task) continue;
    expect(storeOfChunk(frame.payload)).toBe(0);
    readEntries(frame.payload, (entry) => entries.push(entry));
  }
  return entries;
}

const entryValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.integer(),
    fc.double({ noNaN: false }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
    fc.array(fc.tuple(fc.string(), tie('value'))).map((pairs) => new Map(pairs)),
  ),
})).value;

const entry = fc.tuple(fc.string(), entryValue);

describe('a snapshot', () => {
  it('comes back the same from any split of its bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(entry, { maxLength: 150 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (tasks, splits) => {
          const bytes = await wholeSnapshot(tasks);
          const cuts = splits.map((split) => split % (bytes.length + 1));
          const frames = readAll(bytes, cuts);
          tasks.forEach((entries, task) => {
            expect(entriesOf(frames, task)).toEqual(entries);
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('comes back the same byte by byte', async () => {
    const bytes = await wholeSnapshot([[['a', { count: 1 }]], [['b', { count: 2 }]]]);
    const frames = readAll(
      bytes,
      Array.from({ length: bytes.length }, (_, index) => index),
    );
    expect(readHeader(frames[0] as Frame)).toEqual(header);
    expect(readTaskBegin(frames[1] as Frame).task).toBe('in/0');
    expect(entriesOf(frames, 1)).toEqual([['b', { count: 2 }]]);
  });

  it('refuses any flipped bit', async () => {
    const bytes = await wholeSnapshot([[['a', { count: 1, sum: 2.5 }]], []]);
    for (let index = 0; index < bytes.length; index++) {
      for (const bit of [0, 3, 7]) {
        const damaged = Buffer.from(bytes);
        damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
        expect(() => readAll(damaged)).toThrow(SnapshotError);
      }
    }
  });

  it('refuses to be cut off at any byte', async () => {
    const bytes = await wholeSnapshot([[['a', { count: 1, sum: 2.5 }]], []]);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readAll(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'snapshot-truncated' }) as SnapshotError,
      );
    }
  });

  it('refuses a frame that was left out, doubled or moved', async () => {
    const bytes = await wholeSnapshot([[['a', 1]], [['b', 2]]]);
    const frames = readAll(bytes).map((frame) => Buffer.from(frame.bytes));
    for (let index = 0; index < frames.length; index++) {
      const without = frames.filter((_, other) => other !== index);
      expect(() => readAll(Buffer.concat(without))).toThrow(SnapshotError);
      const doubled = frames.flatMap((frame, other) => (other === index ? [frame, frame] : [frame]));
      expect(() => readAll(Buffer.concat(doubled))).toThrow(SnapshotError);
    }
    expect(() => readAll(Buffer.concat([bytes, frames[1] as Buffer]))).toThrow(/follows its end/);
  });

  it('is a file that gunzip reads when each piece is a gzip member', async () => {
    const plain = await wholeSnapshot([[['a', 1]]]);
    const out: Uint8Array[] = [];
    const pieces = taskParts(0, [['a', 1]]);
    for await (const piece of joinSnapshot(header, each(pieces), (bytes) => Promise.resolve(gzipSync(bytes)))) {
      out.push(piece);
    }
    expect(gunzipSync(Buffer.concat(out)).equals(plain)).toBe(true);
  });

  it('keeps its pieces in order however long each takes to compress', async () => {
    const pieces = Array.from({ length: 12 }, (_, task) => taskParts(task, [['k', task]])).flat();
    const delays = [3, 0, 2, 1];
    let turn = 0;
    const compress = async (bytes: Uint8Array): Promise<Uint8Array> => {
      for (let left = delays[turn++ % delays.length] ?? 0; left > 0; left--) await Promise.resolve();
      return bytes;
    };
    const out: Uint8Array[] = [];
    for await (const piece of joinSnapshot(header, each(pieces), compress)) out.push(piece);
    const frames = readAll(Buffer.concat(out));
    expect(frames.filter((frame) => frame.type === frameType.taskBegin).map((frame) => frame.task)).toEqual(
      Array.from({ length: 12 }, (_, task) => task),
    );
  });
});

describe('buffers of frames', () => {
  it('hold whole frames, one larger than a buffer alone in its own', () => {
    const buffers: ArrayBuffer[] = [];
    const writer = new FrameWriter((frames) => buffers.push(frames), 64);
    for (const length of [10, 10, 200, 10, 64]) writer.write(frameType.queueChunk, 1, new Uint8Array(length));
    writer.flush();
    writer.flush();
    expect(buffers.map((buffer) => buffer.byteLength)).toEqual([42, 211, 21, 75]);
  });
});

describe('a header', () => {
  const frameOf = (value: unknown): Frame => {
    const bytes = makeFrame(frameType.header, 0, encodeJson(value));
    return { type: frameType.header, task: 0, payload: bytes.subarray(11), bytes };
  };

  it('of a newer format is refused by name, whatever else it holds', () => {
    expect(() => readHeader(frameOf({ format: 3, other: true }))).toThrow(
      expect.objectContaining({ code: 'snapshot-newer-format' }) as SnapshotError,
    );
  });

  it('without one of its fields is damage', () => {
    expect(() => readHeader(frameOf({ ...header, pair: undefined }))).toThrow(/lacks a field/);
    expect(() => readHeader(frameOf(3))).toThrow(SnapshotError);
  });

  it('is checked against what runs here', () => {
    expect(checkHeader(header, header)).toEqual({ outcome: 'ok' });
    expect(checkHeader({ ...header, pair: 'x' }, header).outcome).toBe('other-pair');
    expect(checkHeader({ ...header, app: 'x' }, header).outcome).toBe('other-app');
    expect(checkHeader({ ...header, appVersion: 4 }, header).outcome).toBe('other-version');
    expect(checkHeader({ ...header, topologyHash: 'x' }, header).outcome).toBe('other-topology');
    expect(checkHeader({ ...header, format: 1 }, header)).toEqual({ outcome: 'ok' });
    expect(checkHeader({ ...header, format: 3 }, header).outcome).toBe('newer-format');
    expect(checkHeader({ ...header, format: 0 }, header).outcome).toBe('older-format');
  });
});

describe('the checksum', () => {
  it('is CRC-32, also in two parts', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, split) => {
        const at = Math.min(split, bytes.length);
        expect(crc32(bytes, at, bytes.length, crc32(bytes, 0, at))).toBe(zlibCrc32(bytes));
      }),
    );
  });
});
