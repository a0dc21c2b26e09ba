import { Generator, partitionOf, type LogRecord } from '@tandem/harness';
import { countOf, expectedOutputs, OutputCheck, type Expected, type Workload } from '../src/reference.ts';

const partitions = 4;
const fieldNames: Record<Workload, string[]> = {
  W1: ['id', 'amount', 'ts', 'pad', 'double'],
  W2: ['id', 'count', 'sum', 'ts'],
  W3: ['id', 'start', 'count'],
};

function records(workload: Workload, expected: Expected): LogRecord[] {
  return expected.flatMap((outputs, partition) =>
    outputs.map((output, offset) => {
      const [key = '', ...values] = output.split(' ');
      const typed = values.map((value, index) =>
        fieldNames[workload][index] === 'id' || fieldNames[workload][index] === 'pad' ? value : Number(value),
      );
      const value = JSON.stringify(Object.fromEntries(fieldNames[workload].map((name, index) => [name, typed[index]])));
      return { partition, offset, key, value };
    }),
  );
}

function verdictOn(workload: Workload, expected: Expected, outputs: readonly LogRecord[]) {
  const check = new OutputCheck(workload, expected);
  for (const output of outputs) check.take(output);
  return check.verdict();
}

describe.each([
  ['W1', 900_270],
  ['W2', 1_000_000],
  ['W3', 626_063],
] as const)('%s', (workload, count) => {
  it(`has ${count.toString()} outputs of a million inputs`, () => {
    expect(countOf(expectedOutputs(workload, 1_000_000, partitions))).toBe(count);
  });

  it('finds nothing wrong with what is right, and something with every change', () => {
    const expected = expectedOutputs(workload, 25_000, partitions);
    const right = records(workload, expected);
    expect(verdictOn(workload, expected, right)).toEqual({ outputs: right.length, lost: 0, duplicated: 0, wrong: 0 });
    const [first, ...rest] = right;
    if (first === undefined) throw new Error('no outputs');
    expect(verdictOn(workload, expected, rest)).toMatchObject({ lost: 1 });
    expect(verdictOn(workload, expected, [...right, first])).toMatchObject({ duplicated: 1, wrong: 1 });
    expect(verdictOn(workload, expected, [first, first, ...rest]).wrong).toBeGreaterThan(0);
    const changed = { ...first, value: first.value.replace(/\d+}$/, '77}') };
    expect(verdictOn(workload, expected, [changed, ...rest]).wrong).toBeGreaterThan(0);
    expect(verdictOn(workload, expected, [{ ...first, key: 'other' }, ...rest]).wrong).toBeGreaterThan(0);
    const more = { ...first, value: first.value.replace(/}$/, ',"more":1}') };
    expect(verdictOn(workload, expected, [more, ...rest])).toMatchObject({ wrong: 1 });
  });
});

it('W1 doubles the first input and keeps every field', () => {
  const generator = new Generator();
  const { key, value } = generator.record();
  const first = expectedOutputs('W1', 1, partitions)[partitionOf(key, partitions)]?.[0];
  const { id, amount, ts, pad } = JSON.parse(value) as { id: string; amount: number; ts: number; pad: string };
  expect(first).toBe([key, id, amount, ts, pad, 2 * amount].join(' '));
});

it('W3 accepts the outputs of one window in any order, but no window before another', () => {
  const expected = expectedOutputs('W3', 45_000, partitions);
  const right = records('W3', expected).filter(({ partition }) => partition === 0);
  const only = expected.map((outputs, partition) => (partition === 0 ? outputs : []));
  const start = (record: LogRecord) => (JSON.parse(record.value) as { start: number }).start;
  const reversedInside = [...right].reverse().sort((a, b) => start(a) - start(b));
  expect(verdictOn('W3', only, reversedInside)).toMatchObject({ wrong: 0, lost: 0 });
  expect(verdictOn('W3', only, [...right].reverse()).wrong).toBeGreaterThan(0);
});
