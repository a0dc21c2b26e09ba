// The test driver's own promises to app authors.
import { z } from 'zod';
import { defineApp, json, testDriver } from '@tandem/streams';

const Value = z.object({ n: z.int() });

function keeping<Total>(initial: Total, add: (total: Total, n: number) => Total) {
  return defineApp({
    name: 'keeping',
    version: 1,
    sources: { in: json(Value, { key: 'utf8' }) },
    sinks: { out: json(z.unknown()) },
    build(flow) {
      flow
        .from('in')
        .groupByKey()
        .aggregate('kept', { initial, add: (total, { n }) => add(total, n) })
        .toStream()
        .to('out');
    },
  });
}

test.each([
  [
    'assigned to',
    { list: [0], sum: 0 },
    (total: { list: number[]; sum: number }, n: number) => Object.assign(total, { sum: n }),
  ],
  [
    'pushed to',
    { list: [0], sum: 0 },
    (total: { list: number[]; sum: number }, n: number) => {
      total.list.push(n);
      return total;
    },
  ],
])('a state value that is %s throws and says why', (_, initial, add) => {
  const driver = testDriver(keeping(initial, add));
  expect(() => {
    driver.pipe('in', { n: 1 }, { key: 'a' });
  }).toThrow('state values are immutable: return a new value instead of changing the old one');
});

test.each([
  ['a Map', () => new Map(), 'a Map cannot be kept as state'],
  ['a promise', () => Promise.resolve(1), 'operators are synchronous'],
  ['a function', () => () => 1, 'a function cannot be kept as state'],
  ['a date inside', () => ({ at: new Date(0) }), "store 'kept', at: a Date cannot be kept as state"],
])('%s is refused as state', (_, make, message) => {
  const driver = testDriver(keeping<unknown>(null, make));
  expect(() => {
    driver.pipe('in', { n: 1 }, { key: 'a' });
  }).toThrow(message);
});

test('inputs and outputs are typed', () => {
  const driver = testDriver(keeping(0, (total, n) => total + n));
  expect(() => {
    // @ts-expect-error n must be a number
    driver.pipe('in', { n: 'one' }, { key: 'a' });
  }).toThrow('does not fit the schema');
  expect(() => {
    // @ts-expect-error there is no such source
    driver.pipe('inn', { n: 1 });
  }).toThrow("no source or sink 'inn'");
  // @ts-expect-error there is no such sink
  expect(() => driver.read('aut')).toThrow("no source or sink 'aut'");
});

test('outputs are read once, and say which input they come from', () => {
  const driver = testDriver(keeping(0, (total, n) => total + n));
  driver.pipe('in', { n: 1 }, { key: 'a' });
  driver.pipe('in', { n: 2 }, { key: 'a', partition: 3, timestamp_ms: 7 });
  expect(driver.read('out')).toEqual([
    { key: 'a', value: 1, timestamp_ms: 0, headers: [], source: 'in', partition: 0, position: 0 },
    { key: 'a', value: 2, timestamp_ms: 7, headers: [], source: 'in', partition: 3, position: 0 },
  ]);
  expect(driver.read('out')).toEqual([]);
});

test('state is there after a restart', () => {
  const driver = testDriver(keeping({ sum: 0 }, ({ sum }, n) => ({ sum: sum + n })));
  driver.pipe('in', { n: 1 }, { key: 'a' });
  driver.restart();
  driver.pipe('in', { n: 2 }, { key: 'a' });
  expect([...driver.state('kept')]).toEqual([['a', { sum: 3 }]]);
  expect(() => driver.state('lost')).toThrow("no store 'lost'");
});
