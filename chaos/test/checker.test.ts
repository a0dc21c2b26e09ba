// The reference, and what the comparison with it finds: each kind of mistake, planted one at a time.
import { compare, type LogRecord } from '@tandem/harness';
import { partText, Reference, textOfCount } from '../src/reference.ts';

function record(key: string, value: unknown, offset = 0): LogRecord {
  return { partition: 0, offset, key, value: typeof value === 'string' ? value : JSON.stringify(value) };
}

/** Three inputs of one key and one of another between them. */
function reference(): Reference {
  const made = new Reference();
  for (const [key, n] of [
    ['x', 1],
    ['x', 2],
    ['y', 10],
    ['x', 4],
  ] as const) {
    made.take(record(key, { n }));
  }
  return made;
}

const rightCounts = [
  record('x', { n: 1, count: 1, sum: 1 }),
  record('x', { n: 2, count: 2, sum: 3 }),
  record('y', { n: 10, count: 1, sum: 10 }),
  record('x', { n: 4, count: 3, sum: 7 }),
];
const rightParts = [partText('x', '4', '3', 0), partText('x', '4', '3', 1)];

function verdictOn(counts: readonly LogRecord[]) {
  return compare(reference().counts, counts.map(textOfCount));
}

it('has nothing to say against what the app must put out', () => {
  expect(verdictOn(rightCounts)).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  expect(compare(reference().parts, rightParts)).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
});

it('does not mind the order of fields', () => {
  const [first, ...others] = rightCounts;
  expect(first?.key).toBe('x');
  expect(verdictOn([record('x', { sum: 1, count: 1, n: 1 }), ...others])).toMatchObject({ lost: 0, duplicated: 0 });
});

it('finds an output that is missing, at any place', () => {
  for (let at = 0; at < rightCounts.length; at++) {
    expect(verdictOn(rightCounts.filter((_, index) => index !== at))).toMatchObject({ lost: 1, duplicated: 0 });
  }
});

it('finds an output that is there twice, at any place', () => {
  for (let at = 0; at < rightCounts.length; at++) {
    const doubled = rightCounts.flatMap((output, index) => (index === at ? [output, output] : [output]));
    expect(verdictOn(doubled)).toMatchObject({ lost: 0, duplicated: 1 });
  }
});

it('finds outputs that changed places', () => {
  const [a, b, ...others] = rightCounts;
  if (a === undefined || b === undefined) throw new Error('two outputs are needed');
  expect(verdictOn([b, a, ...others])).toEqual({ lost: 0, duplicated: 0, reordered: 1 });
});

it.each([
  ['a wrong sum', record('x', { n: 1, count: 1, sum: 2 })],
  ['another key', record('z', { n: 1, count: 1, sum: 1 })],
  ['no JSON', record('x', 'nonsense')],
  ['a field more', record('x', { n: 1, count: 1, sum: 1, more: 0 })],
])('finds an output with %s', (_, wrong) => {
  expect(verdictOn([wrong, ...rightCounts.slice(1)])).toMatchObject({ lost: 1, duplicated: 1 });
});

it("finds an input's outputs that were split", () => {
  expect(compare(reference().parts, rightParts.slice(0, 1))).toMatchObject({ lost: 1 });
});
