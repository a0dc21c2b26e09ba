// The output queue against a model that keeps every output as an object.
import fc from 'fast-check';
import { asPosition, OutputQueue, QueueBudget, QueueCursor, type Position, type QueueCut } from '@tandem/pair';
import { runs } from './runs.ts';

interface Output {
  readonly position: number;
  readonly sink: number;
  readonly partition: number;
  readonly timestamp_ms: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly string[] | undefined;
}

type Emission = Omit<Output, 'position'>;

const sinkCount = 3;

function queueAt(start: number, budget = new QueueBudget(1e9)): OutputQueue {
  return new OutputQueue({ task: 'orders/0', sinkCount, budget, start: asPosition(start) });
}

function append(queue: OutputQueue, { sink, partition, timestamp_ms, key, value, headers }: Emission): void {
  const keyBytes = Buffer.from(`<${key ?? ''}>`);
  const keyEnd = key === null ? -1 : keyBytes.length - 1;
  // Every other value goes in as bytes.
  const asBytes = value !== null && partition % 2 === 1;
  queue.append(sink, partition, timestamp_ms, keyBytes, 1, keyEnd, asBytes ? Buffer.from(value) : value, headers);
}

function outputsOf(cursor: QueueCursor): Output[] {
  const outputs: Output[] = [];
  while (cursor.next()) {
    const { position, sink, partition, timestamp_ms, bytes, keyStart, keyEnd, valueStart, valueEnd } = cursor;
    outputs.push({
      position,
      sink,
      partition,
      timestamp_ms,
      key: keyEnd === -1 ? null : bytes.toString('utf8', keyStart, keyEnd),
      value: valueEnd === -1 ? null : bytes.toString('utf8', valueStart, valueEnd),
      headers: cursor.headers(),
    });
  }
  return outputs;
}

function everything(queue: OutputQueue): Output[] {
  const slice = queue.slice({ outputs: Infinity, size_bytes: Infinity });
  return slice === undefined ? [] : outputsOf(slice.cursor());
}

function restoredFrom(cut: QueueCut, start: number): OutputQueue {
  const queue = queueAt(start);
  const isAll = cut.drain((chunk) => {
    queue.restoreChunk(Uint8Array.from(chunk));
    return true;
  });
  if (!isAll) throw new Error('the cut stopped though every chunk was taken');
  queue.restoreEnd(cut.head, cut.end);
  return queue;
}

class NaiveQueue {
  head: number;
  end: number;
  outputs: Output[] = [];
  constructor(start: number) {
    this.head = start;
    this.end = start;
  }
  input(position: number, emissions: readonly Emission[]): void {
    if (position >= this.head) this.outputs.push(...emissions.map((emission) => ({ ...emission, position })));
    this.end = position + 1;
  }
  trim(to: number): void {
    this.head = Math.max(this.head, to);
    this.outputs = this.outputs.filter((output) => output.position >= this.head);
  }
}

/** Any character; its own arbitrary of them all takes fast-check seconds to make. */
const character = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((codePoint) => String.fromCodePoint(codePoint));

const emission: fc.Arbitrary<Emission> = fc.record({
  sink: fc.nat(sinkCount - 1),
  partition: fc.nat(11),
  timestamp_ms: fc.integer({ min: -1, max: 2 ** 45 }),
  key: fc.option(fc.string({ unit: character, maxLength: 40 })),
  value: fc.option(
    fc.oneof(
      { weight: 8, arbitrary: fc.string({ unit: character, maxLength: 60 }) },
      { weight: 2, arbitrary: fc.integer({ min: 3000, max: 9000 }).map((size) => 'é'.repeat(size)) },
      { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 400_000 }).map((size) => 'x'.repeat(size)) },
    ),
  ),
  headers: fc.option(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 }), { nil: undefined }),
});

type Action =
  | {
      readonly do: 'input';
      readonly gap: number;
      readonly undone: readonly Emission[];
      readonly kept: readonly Emission[];
    }
  | { readonly do: 'advance' | 'trim-ahead' | 'trim-share'; readonly by: number }
  | { readonly do: 'slice'; readonly outputs: number; readonly size_bytes: number; readonly publish: boolean }
  | { readonly do: 'open-cut' | 'read-cut' | 'restart' };

const emissions = fc.array(emission, { maxLength: 4 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('input' as const),
      gap: fc.constantFrom(0, 0, 0, 0, 1, 5),
      undone: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, emissions),
      kept: emissions,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), by: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim-ahead' as const), by: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('trim-share' as const), by: fc.nat(10) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('slice' as const),
      outputs: fc.integer({ min: 1, max: 8 }),
      size_bytes: fc.constantFrom(1, 500, 20_000, 1e6),
      publish: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('open-cut' as const, 'read-cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

/** Runs the actions on both; throws where they differ. */
function runBoth(actions: readonly Action[]): void {
  let queue = queueAt(7);
  const model = new NaiveQueue(7);
  const cursor = new QueueCursor();
  let cut:
    { readonly real: QueueCut; readonly head: number; readonly end: number; readonly outputs: Output[] } | undefined;
  const readCut = (): void => {
    if (cut === undefined) return;
    const restored = restoredFrom(cut.real, 0);
    expect([restored.head, restored.end]).toEqual([cut.head, cut.end]);
    expect(everything(restored)).toEqual(cut.outputs);
    cut.real.close();
    cut = undefined;
  };
  for (const next of actions) {
    switch (next.do) {
      case 'input': {
        const position = model.end + next.gap;
        if (next.undone.length > 0) {
          for (const output of next.undone) append(queue, output);
          queue.undoInput();
        }
        for (const output of next.kept) append(queue, output);
        queue.endInput(asPosition(position));
        model.input(position, next.kept);
        break;
      }
      case 'advance':
        queue.advanceTo(asPosition(model.end + next.by));
        model.end += next.by;
        break;
      case 'trim-ahead':
        queue.trim(asPosition(model.end + next.by));
        model.trim(model.end + next.by);
        break;
      case 'trim-share': {
        const to = model.head + Math.floor(((model.end - model.head) * next.by) / 10);
        queue.trim(asPosition(Math.max(0, to)));
        model.trim(to);
        break;
      }
      case 'slice': {
        const slice = queue.slice(next);
        expect(slice === undefined).toBe(model.head >= model.end);
        if (slice === undefined) break;
        const isAll = slice.count === model.outputs.length;
        const expected = model.outputs.slice(0, slice.count);
        cursor.reset([slice]);
        expect(outputsOf(cursor)).toEqual(expected);
        expect(slice.from).toBe(model.head);
        expect(slice.to).toBe(isAll ? model.end : (expected.at(-1)?.position ?? NaN) + 1);
        // S5: whole inputs, and no more than the limit unless it is a single one.
        if (!isAll) expect(model.outputs[slice.count]?.position).not.toBe(expected.at(-1)?.position);
        const inputs = new Set(expected.map((output) => output.position)).size;
        if (inputs > 1) {
          expect(slice.count).toBeLessThanOrEqual(next.outputs);
          expect(slice.size_bytes).toBeLessThanOrEqual(next.size_bytes);
        }
        if (next.publish) {
          queue.trim(slice.to);
          model.trim(slice.to);
        }
        break;
      }
      case 'open-cut':
        readCut();
        cut = { real: queue.cut(), head: model.head, end: model.end, outputs: [...model.outputs] };
        break;
      case 'read-cut':
        readCut();
        break;
      case 'restart': {
        const last = queue.cut();
        const restored = restoredFrom(last, model.end);
        last.close();
        readCut();
        queue.close();
        queue = restored;
        break;
      }
    }
    expect([queue.head, queue.end, queue.count]).toEqual([model.head, model.end, model.outputs.length]);
    const depths = Array.from({ length: sinkCount }, (_, sink) => model.outputs.filter((o) => o.sink === sink).length);
    expect(depths.map((_, sink) => queue.depth(sink))).toEqual(depths);
  }
  readCut();
  expect(everything(queue)).toEqual(model.outputs);
}

const plain = { sink: 0, partition: 0, timestamp_ms: 0, key: 'k', value: 'v', headers: undefined };

function withInputs(queue: OutputQueue, count: number): OutputQueue {
  for (let index = 0; index < count; index++) {
    append(queue, plain);
    queue.endInput(queue.end);
  }
  return queue;
}

describe('output queue', () => {
  it('behaves like a plain list of outputs under any interleaving', () => {
    fc.assert(fc.property(fc.array(action, { maxLength: 60 }), runBoth), runs(300));
  });

  it('drops the outputs of inputs below a read-back position that lies ahead', () => {
    const queue = queueAt(10);
    queue.trim(asPosition(12));
    withInputs(queue, 4);
    expect(everything(queue).map((output) => output.position)).toEqual([12, 13]);
    expect([queue.head, queue.end]).toEqual([12, 14]);
  });

  it('has nothing to slice while it is behind the published position', () => {
    const queue = queueAt(10);
    queue.trim(asPosition(12));
    withInputs(queue, 1);
    expect(queue.slice({ outputs: 10, size_bytes: 1000 })).toBeUndefined();
  });

  it('moves the published position over inputs without outputs', () => {
    const queue = queueAt(0);
    queue.endInput(asPosition(0));
    queue.endInput(asPosition(4));
    const slice = queue.slice({ outputs: 10, size_bytes: 1000 });
    expect(slice).toMatchObject({ from: 0, to: 5, count: 0 });
    expect(slice?.cursor().next()).toBe(false);
  });

  it('keeps what was trimmed while it was being restored out of the restored queue', () => {
    const cut = withInputs(queueAt(0), 4).cut();
    const queue = queueAt(4);
    queue.trim(asPosition(2));
    cut.drain((chunk) => {
      queue.restoreChunk(chunk);
      return true;
    });
    queue.restoreEnd(cut.head, cut.end);
    expect(everything(queue).map((output) => output.position)).toEqual([2, 3]);
  });

  it('hands a cut over in as many goes as the taker wants', () => {
    const queue = queueAt(0);
    for (let index = 0; index < 5; index++) {
      append(queue, { ...plain, value: 'x'.repeat(300_000) });
      queue.endInput(queue.end);
    }
    const cut = queue.cut();
    queue.trim(queue.end);
    const chunks: Uint8Array[] = [];
    let goes = 0;
    while (!cut.drain((chunk) => chunks.push(chunk) < 0)) goes += 1;
    expect(goes).toBe(4);
    expect(chunks.length).toBe(5);
    cut.close();
  });

  it('walks several slices with one cursor and says which it is in', () => {
    const first = withInputs(queueAt(0), 2).slice({ outputs: 10, size_bytes: 1000 });
    const second = withInputs(queueAt(5), 1).slice({ outputs: 10, size_bytes: 1000 });
    if (first === undefined || second === undefined) throw new Error('nothing to slice');
    const cursor = new QueueCursor([first, second]);
    const seen: number[][] = [];
    while (cursor.next()) seen.push([cursor.task, cursor.position]);
    expect(seen).toEqual([[0, 0], [0, 1], [1, 5]]); // prettier-ignore
  });

  it('shares its budget: full at the limit, room again at three quarters of it, and all of it back when closed', () => {
    const budget = new QueueBudget(1000);
    const [one, other] = [queueAt(0, budget), queueAt(0, budget)];
    while (!budget.isFull()) withInputs(one.size_bytes > other.size_bytes ? other : one, 1);
    expect(budget.used_bytes).toBe(one.size_bytes + other.size_bytes);
    expect(budget.hasRoomAgain()).toBe(false);
    while (!budget.hasRoomAgain()) one.trim(asPosition(one.head + 1));
    expect(budget.used_bytes).toBeGreaterThan(500);
    one.close();
    other.close();
    expect(budget.used_bytes).toBe(0);
  });

  it('refuses what cannot be: inputs out of order, unknown sinks, cuts inside an input, broken chunks', () => {
    const queue = withInputs(queueAt(0), 2);
    expect(() => { queue.endInput(0 as Position); }).toThrow(/orders\/0 \[0, 2\)/); // prettier-ignore
    expect(() => { append(queue, { ...plain, sink: 3 }); }).toThrow(/sink 3 of 3/); // prettier-ignore
    append(queue, plain);
    expect(() => queue.cut()).toThrow(/half applied/);
    expect(() => { queueAt(0).restoreChunk(Buffer.alloc(20, 1)); }).toThrow(/no whole record/); // prettier-ignore
  });
});
