// Cuts and the chunks that they come in: what is handed over, what it may be, and when its memory is used again.
import { asPosition, OutputQueue, ProtocolViolation, QueueBudget, QueueCursor } from '@tandem/pair';

interface Output {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers?: readonly string[];
}

const record = { body_bytes: 36, keySize_at: 12, valueSize_at: 16, sink_at: 4 };

function emptyQueue(): OutputQueue {
  return new OutputQueue({ task: 'orders/0', sinkCount: 3, budget: new QueueBudget(1e9), start: asPosition(0) });
}

/** One input with this output. */
function add(queue: OutputQueue, { key, value, headers }: Output): void {
  const bytes = Buffer.from(key ?? '');
  queue.append(2, 0, 0, bytes, 0, key === null ? -1 : bytes.length, value, headers);
  queue.endInput(queue.end);
}

function chunksOf(queue: OutputQueue): Buffer[] {
  const cut = queue.cut();
  const chunks: Buffer[] = [];
  cut.drain((chunk) => chunks.push(Buffer.from(chunk)) > 0);
  cut.close();
  return chunks;
}

/** A chunk of two records of 40 bytes: key `k`, value `val`. */
function chunk(): Buffer {
  const queue = emptyQueue();
  for (let index = 0; index < 2; index++) add(queue, { key: 'k', value: 'val' });
  const [only] = chunksOf(queue);
  if (only?.length !== 80) throw new Error('not the chunk that was expected');
  return only;
}

/** What has become of a chunk on its way. */
type Edit = (bytes: Buffer) => Buffer;

function withUInt32LE(value: number, at: number): Edit {
  return (bytes) => {
    bytes.writeUInt32LE(value, at);
    return bytes;
  };
}

function withUInt16LE(value: number, at: number): Edit {
  return (bytes) => {
    bytes.writeUInt16LE(value, at);
    return bytes;
  };
}

/** Where the first output of what can be published begins in its segment. */
function startOf(queue: OutputQueue): number | undefined {
  return queue.slice({ outputs: 1, size_bytes: 1 })?.first.offset;
}

describe('a chunk', () => {
  it('may hold outputs without anything in them', () => {
    const queue = emptyQueue();
    add(queue, { key: '', value: '', headers: [] });
    add(queue, { key: null, value: null });
    const restored = emptyQueue();
    for (const each of chunksOf(queue)) restored.restoreChunk(each);
    restored.restoreEnd(queue.head, queue.end);
    expect([restored.count, restored.size_bytes, restored.depth(2)]).toEqual([2, 2 * record.body_bytes + 4, 2]);
    const cursor = restored.slice({ outputs: 2, size_bytes: Infinity })?.cursor();
    expect(cursor?.next()).toBe(true);
    expect(cursor).toMatchObject({ keyStart: cursor?.keyEnd, valueStart: cursor?.valueEnd });
    expect(cursor?.headers()).toEqual([]);
    expect(cursor?.next()).toBe(true);
    expect(cursor).toMatchObject({ keyEnd: -1, valueEnd: -1 });
    expect(cursor?.headers()).toBeUndefined();
  });

  it.each<[string, Edit, number]>([
    ['the end of a record is missing', (bytes) => bytes.subarray(0, 79), 40],
    ['most of a record is missing', (bytes) => bytes.subarray(0, 75), 40],
    ['only the size of a record is left', (bytes) => bytes.subarray(0, 44), 40],
    ['a few bytes follow', (bytes) => Buffer.concat([bytes, Buffer.alloc(2)]), 80],
    ['a record is said to be smaller than any', withUInt32LE(35, 40), 40],
    ['a record is said to be of no size', withUInt32LE(0, 0), 0],
  ])('is refused when %s', (_, edit, at) => {
    const restore = (): void => {
      emptyQueue().restoreChunk(edit(chunk()));
    };
    expect(restore).toThrow(ProtocolViolation);
    expect(restore).toThrow(`snapshot of an output queue: no whole record at byte ${at} of a chunk`);
  });

  it.each<[string, Edit]>([
    ['a key is longer than its record', withUInt32LE(2, 40 + record.keySize_at)],
    ['a value is longer than its record', withUInt32LE(4, 40 + record.valueSize_at)],
    ['an output is for a sink that is not there', withUInt16LE(3, 40 + record.sink_at)],
  ])('is refused when %s', (_, edit) => {
    const restore = (): void => {
      emptyQueue().restoreChunk(edit(chunk()));
    };
    expect(restore).toThrow(ProtocolViolation);
    expect(restore).toThrow('snapshot of an output queue: the record at byte 40 of a chunk is not sound');
  });
});

describe('a cut', () => {
  it('hands nothing over where nothing is queued', () => {
    expect(chunksOf(emptyQueue())).toEqual([]);
    const queue = emptyQueue();
    add(queue, { key: 'k', value: 'v' });
    queue.trim(queue.end);
    expect(chunksOf(queue)).toEqual([]);
  });

  it('hands over no empty chunk where the first output lies in a later segment', () => {
    const queue = emptyQueue();
    add(queue, { key: 'k', value: 'v'.repeat(100_000) });
    const cut = queue.cut();
    queue.trim(queue.end);
    add(queue, { key: 'k', value: 'w'.repeat(100_000) });
    expect(chunksOf(queue).map((each) => each.length)).toEqual([record.body_bytes + 1 + 100_000]);
    cut.close();
  });

  it('hands nothing over once it is closed', () => {
    const queue = emptyQueue();
    add(queue, { key: 'k', value: 'v' });
    const cut = queue.cut();
    cut.close();
    expect(cut.drain(() => false)).toBe(true);
  });

  it('keeps its memory from being written to again until it is closed (S4)', () => {
    const queue = emptyQueue();
    add(queue, { key: 'k', value: 'v' });
    const first = queue.cut();
    const second = queue.cut();
    // Closed twice, it counts once.
    first.close();
    first.close();
    queue.trim(queue.end);
    add(queue, { key: 'k', value: 'w' });
    expect(startOf(queue)).toBe(record.body_bytes + 2);
    second.close();
    queue.trim(queue.end);
    add(queue, { key: 'k', value: 'x' });
    expect(startOf(queue)).toBe(0);
  });
});

describe('a cursor', () => {
  it('has nothing before the first output, and none without slices', () => {
    const cursor = new QueueCursor();
    expect(cursor).toMatchObject({ keyEnd: -1, valueEnd: -1 });
    expect(cursor.headers()).toBeUndefined();
    expect(cursor.next()).toBe(false);
  });

  it('starts anew with other slices, also where it had not come to an end', () => {
    const queue = emptyQueue();
    for (const value of ['v', 'w']) add(queue, { key: 'k', value });
    const slice = queue.slice({ outputs: 2, size_bytes: Infinity });
    if (slice === undefined) throw new Error('nothing to slice');
    const cursor = new QueueCursor([slice]);
    cursor.next();
    cursor.reset([slice]);
    const positions: number[] = [];
    while (positions.length < 9 && cursor.next()) positions.push(cursor.position);
    expect(positions).toEqual([0, 1]);
  });
});
