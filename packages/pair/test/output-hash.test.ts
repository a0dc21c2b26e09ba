// The rolling hash of a queue's outputs: of the outputs alone, not of what became of them.
import fc from 'fast-check';
import { asPosition, OutputQueue, QueueBudget } from '@tandem/pair';
import { runs } from './runs.ts';

interface Output {
  readonly sink: number;
  readonly partition: number;
  readonly timestamp_ms: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly string[] | undefined;
}

type Inputs = readonly (readonly Output[])[];

function queueAt(start = 0): OutputQueue {
  const budget = new QueueBudget(1e9);
  return new OutputQueue({ task: 'orders/0', sinkCount: 3, budget, start: asPosition(start), hashes: true });
}

function append(queue: OutputQueue, { sink, partition, timestamp_ms, key, value, headers }: Output): void {
  const bytes = Buffer.from(key ?? '');
  queue.append(sink, partition, timestamp_ms, bytes, 0, key === null ? -1 : bytes.length, value, headers);
}

function apply(queue: OutputQueue, position: number, outputs: readonly Output[]): void {
  for (const output of outputs) append(queue, output);
  queue.endInput(asPosition(position));
}

function hashOf(inputs: Inputs): number {
  const queue = queueAt();
  for (const [position, outputs] of inputs.entries()) apply(queue, position, outputs);
  return queue.outputsHash;
}

function restoredFrom(queue: OutputQueue): OutputQueue {
  const cut = queue.cut();
  const restored = queueAt(cut.end);
  cut.drain((chunk) => {
    restored.restoreChunk(chunk);
    return true;
  });
  restored.restoreEnd(cut.head, cut.end, queue.outputsHash);
  cut.close();
  return restored;
}

const output: fc.Arbitrary<Output> = fc.record({
  sink: fc.nat(2),
  partition: fc.nat(3),
  timestamp_ms: fc.nat(),
  key: fc.option(fc.string({ maxLength: 9 })),
  // Now and then one that needs a segment of its own.
  value: fc.option(
    fc.oneof(
      { weight: 20, arbitrary: fc.string({ maxLength: 40 }) },
      { weight: 1, arbitrary: fc.constantFrom(9_000, 18_000).map((size) => 'x'.repeat(size)) },
    ),
  ),
  headers: fc.option(fc.array(fc.string(), { maxLength: 3 }), { nil: undefined }),
});

test('it is the same whatever is undone, trimmed before or after, and restored on the way', () => {
  const happening = fc.record({
    outputs: fc.array(output, { maxLength: 4 }),
    undone: fc.array(output, { maxLength: 3 }),
    trim: fc.option(fc.nat(20)),
    restore: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40, size: 'max' }), (happenings) => {
      let queue = queueAt();
      for (const [position, { outputs, undone, trim, restore }] of happenings.entries()) {
        for (const each of undone) append(queue, each);
        queue.undoInput();
        apply(queue, position, outputs);
        if (trim !== null) queue.trim(asPosition(Math.max(0, position + 10 - trim)));
        if (restore) queue = restoredFrom(queue);
      }
      expect(queue.outputsHash).toBe(hashOf(happenings.map(({ outputs }) => outputs)));
    }),
    runs(200),
  );
});

describe('it is another one', () => {
  const one: Output = { sink: 0, partition: 1, timestamp_ms: 5, key: 'k', value: 'vvvvv', headers: ['n', 'h'] };
  const two: Output = { ...one, value: 'wwwww' };
  const three: Output = { ...one, value: 'xxxxx' };

  it.each<readonly [string, Inputs]>([
    ['when an output is missing', [[one], [three]]],
    ['when two are swapped', [[two, one], [three]]],
    ['when one comes twice', [[one, two, two], [three]]],
    ['when one belongs to another input', [[one], [two, three]]],
    ['when an input comes later', [[one, two], [], [three]]],
    ['when the sink differs', [[one, { ...two, sink: 1 }], [three]]],
    ['when the partition differs', [[one, { ...two, partition: 2 }], [three]]],
    ['when the time differs', [[one, { ...two, timestamp_ms: 6 }], [three]]],
    ['when the key differs', [[one, { ...two, key: 'l' }], [three]]],
    ['when the key is null', [[one, { ...two, key: null }], [three]]],
    ['when the value ends otherwise', [[one, { ...two, value: 'wwwwx' }], [three]]],
    ['when the value is null', [[one, { ...two, value: null }], [three]]],
    ['when a header differs', [[one, { ...two, headers: ['n', 'i'] }], [three]]],
    ['when there are no headers', [[one, { ...two, headers: undefined }], [three]]],
    ['when key and value are divided otherwise', [[one, { ...two, key: 'kw', value: 'wwww' }], [three]]],
  ])('%s', (_, inputs) => {
    expect(hashOf(inputs)).not.toBe(hashOf([[one, two], [three]]));
  });

  it('and stays so', () => {
    const more = Array.from({ length: 50 }, () => [one]);
    expect(hashOf([[one, two], [three], ...more])).not.toBe(hashOf([[one], [three], ...more]));
  });
});

test('it is the same on every machine and in every version, as both nodes compare it and snapshots keep it', () => {
  const output: Output = { sink: 1, partition: 2, timestamp_ms: 3, key: 'k', value: 'value', headers: ['n', 'h'] };
  expect(
    hashOf([[output], [], [output, { ...output, value: 'vvvvvv' }, { ...output, value: 'vvvv', key: null }]]),
  ).toBe(-1552766287);
});

test('positions beyond 32 bits count whole', () => {
  const value: Output = { sink: 0, partition: 0, timestamp_ms: 0, key: null, value: 'v', headers: undefined };
  const hashes = [5, 2 ** 32 + 5, 2 ** 33 + 5].map((position) => {
    const queue = queueAt();
    apply(queue, position, [value]);
    return queue.outputsHash;
  });
  expect(new Set(hashes).size).toBe(3);
});
