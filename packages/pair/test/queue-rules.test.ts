// The output queue rule by rule: its limits to the byte, what it refuses, and how it uses memory again.
import { asPosition, OutputQueue, ProtocolViolation, QueueBudget, type Position, type QueueSlice } from '@tandem/pair';

/** What one output takes: 36 bytes of its own, a key of one byte, and its value. */
const own_bytes = 37;
const segment_bytes = 256 * 1024;
const unlimited = { outputs: Infinity, size_bytes: Infinity };

function queueAt(start: number, budget = new QueueBudget(1e9)): OutputQueue {
  return new OutputQueue({ task: 'orders/0', sinkCount: 2, budget, start: asPosition(start) });
}

function append(queue: OutputQueue, value: string | Uint8Array | null = 'v', sink = 0): void {
  queue.append(sink, 0, 0, Buffer.from('k'), 0, 1, value, undefined);
}

/** One input with that many outputs of 38 bytes. */
function input(queue: OutputQueue, outputs = 1): void {
  for (let index = 0; index < outputs; index++) append(queue);
  queue.endInput(queue.end);
}

function sliceOf(queue: OutputQueue, limit = unlimited): QueueSlice {
  const slice = queue.slice(limit);
  if (slice === undefined) throw new Error('nothing to slice');
  return slice;
}

function valuesOf(queue: OutputQueue): readonly (string | null)[] {
  const cursor = sliceOf(queue).cursor();
  const values: (string | null)[] = [];
  while (cursor.next()) {
    const { bytes, valueStart, valueEnd } = cursor;
    values.push(valueEnd === -1 ? null : bytes.toString('utf8', valueStart, valueEnd));
  }
  return values;
}

describe('a budget', () => {
  it('is full at its limit, and has room again at three quarters of it', () => {
    const budget = new QueueBudget(1000);
    const at = (used_bytes: number): readonly boolean[] => {
      budget.used_bytes = used_bytes;
      return [budget.isFull(), budget.hasRoomAgain()];
    };
    expect(at(750)).toEqual([false, true]);
    expect(at(751)).toEqual([false, false]);
    expect(at(999)).toEqual([false, false]);
    expect(at(1000)).toEqual([true, false]);
  });

  it('counts what is queued, to the byte, until it is let go of or taken back', () => {
    const budget = new QueueBudget(1e6);
    const queue = queueAt(0, budget);
    input(queue, 2);
    append(queue, 'é', 1);
    expect([queue.size_bytes, budget.used_bytes]).toEqual([3 * own_bytes + 4, 3 * own_bytes + 4]);
    expect([queue.count, queue.depth(0), queue.depth(1), queue.depth(9)]).toEqual([3, 2, 1, 0]);
    queue.undoInput();
    expect([queue.size_bytes, budget.used_bytes, queue.depth(1)]).toEqual([76, 76, 0]);
    queue.trim(queue.end);
    expect([queue.size_bytes, budget.used_bytes, queue.depth(0)]).toEqual([0, 0, 0]);
  });

  it('gets everything back from a queue that is closed', () => {
    const budget = new QueueBudget(1e6);
    const [queue, other] = [queueAt(0, budget), queueAt(0, budget)];
    input(other);
    input(queue, 2);
    append(queue);
    queue.close();
    expect(budget.used_bytes).toBe(38);
    expect([queue.count, queue.size_bytes, queue.depth(0)]).toEqual([0, 0, 0]);
    queue.close();
    expect(budget.used_bytes).toBe(38);
  });
});

describe('a slice', () => {
  it.each([
    [{ outputs: 3, size_bytes: Infinity }, 3],
    [{ outputs: 2, size_bytes: Infinity }, 2],
    [{ outputs: Infinity, size_bytes: 114 }, 3],
    [{ outputs: Infinity, size_bytes: 113 }, 2],
    [{ outputs: 0, size_bytes: 0 }, 1],
  ])('takes as many inputs as fit into %j: %d', (limit, count) => {
    const queue = queueAt(5);
    for (let index = 0; index < 4; index++) input(queue);
    expect(sliceOf(queue, limit)).toMatchObject({ from: 5, to: 5 + count, count, size_bytes: count * 38 });
  });

  it('holds whole inputs, one at least (S5)', () => {
    const queue = queueAt(0);
    input(queue, 3);
    input(queue, 2);
    for (const outputs of [1, 3, 4]) {
      expect(sliceOf(queue, { outputs, size_bytes: Infinity })).toMatchObject({ to: 1, count: 3, size_bytes: 114 });
    }
    expect(sliceOf(queue, { outputs: 5, size_bytes: Infinity })).toMatchObject({ to: 2, count: 5, size_bytes: 190 });
  });

  it('does not see an input that is half applied', () => {
    const queue = queueAt(0);
    expect(queue.slice(unlimited)).toBeUndefined();
    append(queue);
    expect(queue.slice(unlimited)).toBeUndefined();
    queue.undoInput();
    input(queue);
    append(queue);
    expect(sliceOf(queue)).toMatchObject({ to: 1, count: 1 });
    queue.trim(asPosition(1));
    expect(queue.slice(unlimited)).toBeUndefined();
    expect(queue.count).toBe(1);
    queue.endInput(asPosition(1));
    expect(sliceOf(queue)).toMatchObject({ from: 1, to: 2, count: 1 });
  });

  it('keeps an input that is half applied, whatever is told, also where others lay before', () => {
    const queue = queueAt(0);
    input(queue, 3);
    queue.trim(asPosition(1));
    // In the same memory again: where its position will be there is that of the first input.
    input(queue);
    append(queue);
    queue.trim(asPosition(2));
    expect(queue.count).toBe(1);
    queue.endInput(asPosition(2));
    expect(sliceOf(queue)).toMatchObject({ from: 2, to: 3, count: 1 });
  });
});

describe('positions', () => {
  it('stay where they are when less is told than is known', () => {
    const queue = queueAt(5);
    input(queue);
    queue.trim(asPosition(6));
    queue.trim(asPosition(5));
    queue.advanceTo(asPosition(3));
    expect([queue.head, queue.end]).toEqual([6, 6]);
    queue.advanceTo(asPosition(9));
    expect([queue.head, queue.end]).toEqual([6, 9]);
  });

  it('told while a queue is being restored count afterwards, the highest of them', () => {
    const queue = queueAt(0);
    for (const to of [2, 3, 1]) queue.trim(asPosition(to));
    queue.restoreEnd(asPosition(0), asPosition(4));
    expect([queue.head, queue.end]).toEqual([3, 4]);
  });
});

describe('a queue refuses', () => {
  const refused: readonly (readonly [string, string, (queue: OutputQueue) => void])[] = [
    ['outputs for a sink below the first', 'append to sink -1 of 2', (queue) => { append(queue, 'v', -1); }],
    ['outputs for a sink above the last', 'append to sink 2 of 2', (queue) => { append(queue, 'v', 2); }],
    ['inputs that were applied already', 'the input at 5 comes after 6', (queue) => { queue.endInput(5 as Position); }],
    ['a gap inside an input', 'advance to 9 with an input half applied', (queue) => { append(queue); queue.advanceTo(9 as Position); }],
    ['a cut inside an input', 'cut with an input half applied', (queue) => { append(queue); queue.cut(); }],
  ]; // prettier-ignore

  it.each(refused)('%s', (_, message, act) => {
    const queue = queueAt(5);
    input(queue);
    const run = (): void => {
      act(queue);
    };
    expect(run).toThrow(ProtocolViolation);
    expect(run).toThrow(new RegExp(`^output queue of orders/0 \\[5, 6\\) with \\d outputs: ${message}$`));
  });
});

describe('the hash of outputs', () => {
  it('is not kept unless it is asked for', () => {
    const queue = queueAt(0);
    input(queue);
    expect(queue.outputsHash).toBe(0);
    const hashing = new OutputQueue({
      task: 'orders/0',
      sinkCount: 2,
      budget: new QueueBudget(1e9),
      start: asPosition(0),
      hashes: true,
    });
    expect(hashing.outputsHash).toBe(0);
    input(hashing);
    expect(hashing.outputsHash).not.toBe(0);
    hashing.restoreEnd(asPosition(0), asPosition(1));
    expect(hashing.outputsHash).toBe(0);
  });
});

describe('memory', () => {
  const value = 'x'.repeat(segment_bytes - own_bytes);

  /** The memory that the first output lies in. */
  const memoryOf = (queue: OutputQueue): Buffer => sliceOf(queue).first.segment.bytes;

  /** Publishes and lets go of this many whole segments, and returns the memory that each of them took. */
  function fill(queue: OutputQueue, segments: number): readonly Buffer[] {
    for (let index = 0; index < segments; index++) {
      append(queue, Buffer.from(value));
      queue.endInput(queue.end);
    }
    return Array.from({ length: segments }, () => {
      const memory = memoryOf(queue);
      queue.trim(asPosition(queue.head + 1));
      return memory;
    });
  }

  it('of a small queue is small, and of a large one at most one segment more than it holds', () => {
    const queue = queueAt(0);
    append(queue);
    queue.endInput(queue.end);
    expect(memoryOf(queue).length).toBe(16 * 1024);
    const large = queueAt(0);
    append(large, Buffer.alloc(300_000));
    large.endInput(large.end);
    expect(memoryOf(large).length).toBe(300_000 + own_bytes);
    append(large);
    large.endInput(large.end);
    large.trim(asPosition(1));
    expect(memoryOf(large).length).toBe(segment_bytes);
  });

  it('is used again once its outputs are let go of', () => {
    const queue = queueAt(0);
    const before = new Set(fill(queue, 4));
    expect(before.size).toBe(4);
    for (const memory of fill(queue, 4)) expect(before.has(memory)).toBe(true);
  });

  it('is kept for that up to four segments, the one in use not counted', () => {
    const queue = queueAt(0);
    const before = new Set(fill(queue, 8));
    const second = fill(queue, 8);
    expect(second.filter((memory) => before.has(memory))).toHaveLength(5);
    expect(fill(queue, 8).filter((memory) => second.includes(memory))).toHaveLength(5);
  });

  it('is not used again for an output that is too large for it', () => {
    const queue = queueAt(0);
    fill(queue, 4);
    append(queue, Buffer.alloc(300_000, 'z'));
    queue.endInput(queue.end);
    expect(valuesOf(queue)).toEqual(['z'.repeat(300_000)]);
  });

  it('is filled up before more of it is taken', () => {
    const queue = queueAt(0);
    const full = 16 * 1024;
    input(queue);
    // Were each of its characters of three bytes, it would not fit.
    append(queue, 'b'.repeat(10_000));
    queue.endInput(queue.end);
    append(queue, Buffer.alloc(full - 38 - 10_000 - 2 * own_bytes));
    queue.endInput(queue.end);
    const { segment } = sliceOf(queue).first;
    expect([segment.used, segment.bytes.length, segment.next]).toEqual([full, full, undefined]);
    const restored = queueAt(0);
    queue.cut().drain((chunk) => {
      restored.restoreChunk(chunk);
      return true;
    });
    restored.restoreEnd(queue.head, queue.end);
    expect(sliceOf(restored).first.segment.used).toBe(full);
  });

  it('that is read by a cut is left alone (S4)', () => {
    const queue = queueAt(0);
    append(queue, Buffer.from(value));
    queue.endInput(queue.end);
    const cut = queue.cut();
    queue.trim(queue.end);
    for (let index = 0; index < 4; index++) {
      append(queue, Buffer.alloc(value.length, 'y'));
      queue.endInput(queue.end);
      queue.trim(queue.end);
    }
    const chunks: string[] = [];
    cut.drain((chunk) => chunks.push(Buffer.from(chunk).toString('utf8', own_bytes)) > 0);
    cut.close();
    expect(chunks.map((text) => text === value)).toEqual([true]);
  });

  it('holds texts of any length after one another, each whole', () => {
    const queue = queueAt(0);
    const values = ['', 'a', 'é'.repeat(5000), '€'.repeat(5400), 'b'.repeat(16_300), null, 'c'.repeat(40)];
    for (const each of values) {
      append(queue, each);
      queue.endInput(queue.end);
    }
    expect(valuesOf(queue)).toEqual(values);
  });

  it('that an input which is taken back had needed is used by the next one', () => {
    const queue = queueAt(0);
    input(queue);
    append(queue);
    for (let index = 0; index < 3; index++) append(queue, Buffer.from(value));
    queue.undoInput();
    expect(queue.count).toBe(1);
    append(queue, 'after');
    queue.endInput(queue.end);
    expect(valuesOf(queue)).toEqual(['v', 'after']);
    expect(sliceOf(queue).first.segment.used).toBe(38 + own_bytes + 5);
  });

  it('that an input which is taken back had needed is kept for others', () => {
    const queue = queueAt(0);
    input(queue);
    const needed = (): readonly Buffer[] => {
      for (let index = 0; index < 3; index++) append(queue, Buffer.from(value));
      const memory: Buffer[] = [];
      for (let one = sliceOf(queue).first.segment.next; one !== undefined; one = one.next) memory.push(one.bytes);
      return memory;
    };
    const before = needed();
    expect(before).toHaveLength(3);
    queue.undoInput();
    expect(needed().filter((memory) => before.includes(memory))).toHaveLength(3);
  });
});
