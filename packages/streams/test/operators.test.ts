// Each operator as its user sees it.
import { z } from 'zod';
import { defineApp, json, raw, testDriver, text } from '@tandem/streams';

const Order = z.object({ item: z.string(), amount: z.int() });
type Order = z.infer<typeof Order>;
const orders = json(Order, { key: 'utf8' });

test('filter, map and flatMap work on values in order', () => {
  const app = defineApp({
    name: 'values',
    version: 1,
    sources: { in: json(Order) },
    sinks: { out: text() },
    build(flow) {
      flow
        .from('in')
        .filter(({ amount }) => amount > 1)
        .flatMap(({ item, amount }) => Array.from({ length: amount }, (_, i) => `${item}${i}`))
        .map((value) => value.toUpperCase())
        .to('out');
    },
  });
  const driver = testDriver(app);
  driver.pipe('in', { item: 'a', amount: 1 });
  driver.pipe('in', { item: 'b', amount: 2 });
  driver.pipe('in', { item: 'c', amount: 3 });
  expect(driver.values('out')).toEqual(['B0', 'B1', 'C0', 'C1', 'C2']);
});

test('a filter that tells types apart narrows the stream', () => {
  const Event = z.union([z.object({ text: z.string() }), z.object({ amount: z.int() })]);
  const app = defineApp({
    name: 'narrow',
    version: 1,
    sources: { in: json(Event) },
    sinks: { out: text() },
    build(flow) {
      flow
        .from('in')
        .filter((event) => 'text' in event)
        .map((event) => event.text)
        .to('out');
    },
  });
  const driver = testDriver(app);
  driver.pipe('in', { amount: 1 });
  driver.pipe('in', { text: 'yes' });
  expect(driver.values('out')).toEqual(['yes']);
});

test('streams of one source merge, and one stream may lead to several places, in the order they were attached', () => {
  const app = defineApp({
    name: 'merge',
    version: 1,
    sources: { in: json(Order) },
    sinks: { out: text(), copy: text() },
    build(flow) {
      const all = flow.from('in');
      const cheap = all.filter(({ amount }) => amount < 10).map(({ item }) => `cheap ${item}`);
      const named = all.map(({ item }) => item);
      const merged = named.merge(cheap);
      merged.to('out');
      merged.to('copy');
    },
  });
  const driver = testDriver(app);
  driver.pipe('in', { item: 'a', amount: 1 });
  driver.pipe('in', { item: 'b', amount: 10 });
  expect(driver.values('out')).toEqual(['cheap a', 'a', 'b']);
  expect(driver.values('copy')).toEqual(['cheap a', 'a', 'b']);
});

test('keys and times of outputs are those of the input, unless selectKey changes the key', () => {
  const app = defineApp({
    name: 'keys',
    version: 1,
    sources: { in: json(Order, { key: 'utf8', timestamp: ({ amount }) => amount }) },
    sinks: { same: json(Order), byItem: json(z.object({ seen: z.string() })), keyless: json(Order) },
    build(flow) {
      const stream = flow.from('in');
      stream
        .selectKey(({ item }) => item)
        .map((_, ctx) => ({ seen: ctx.key }))
        .to('byItem');
      stream.selectKey(() => null).to('keyless');
      stream.to('same');
    },
  });
  const driver = testDriver(app);
  driver.pipe('in', { item: 'a', amount: 7 }, { key: 'k', timestamp_ms: 99 });
  expect(driver.read('same')).toMatchObject([{ key: 'k', timestamp_ms: 7, value: { item: 'a', amount: 7 } }]);
  expect(driver.read('byItem')).toMatchObject([{ key: 'a', timestamp_ms: 7, value: { seen: 'a' } }]);
  expect(driver.read('keyless')).toMatchObject([{ key: null }]);
});

test('aggregate, count and reduce keep a total per key and partition', () => {
  const app = defineApp({
    name: 'totals',
    version: 1,
    sources: { in: orders },
    sinks: { sums: json(z.object({ sum: z.int(), last: z.string() })), counts: json(z.int()), largest: json(Order) },
    build(flow) {
      const byKey = flow.from('in').groupByKey();
      byKey
        .aggregate('sums', {
          initial: { sum: 0, last: '' },
          add: (total, { item, amount }) => ({ sum: total.sum + amount, last: item }),
        })
        .toStream()
        .to('sums');
      byKey.count('counts').toStream().to('counts');
      byKey
        .reduce('largest', (largest, order) => (order.amount > largest.amount ? order : largest))
        .toStream()
        .to('largest');
    },
  });
  const driver = testDriver(app);
  const pipe = (key: string, order: Order, partition = 0): void => {
    driver.pipe('in', order, { key, partition });
  };
  pipe('a', { item: 'x', amount: 2 });
  pipe('b', { item: 'y', amount: 5 });
  pipe('a', { item: 'z', amount: 1 });
  pipe('a', { item: 'x', amount: 9 }, 1);
  expect(driver.values('sums')).toEqual([
    { sum: 2, last: 'x' },
    { sum: 5, last: 'y' },
    { sum: 3, last: 'z' },
    { sum: 9, last: 'x' },
  ]);
  expect(driver.values('counts')).toEqual([1, 1, 2, 1]);
  expect(driver.values('largest').map(({ amount }) => amount)).toEqual([2, 5, 2, 9]);
  expect([...driver.state('counts')]).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});

test('an aggregate that returns undefined forgets the key and puts nothing out', () => {
  const app = defineApp({
    name: 'forget',
    version: 1,
    sources: { in: orders },
    sinks: { out: json(z.int()) },
    build(flow) {
      flow
        .from('in')
        .groupByKey()
        .aggregate('sums', { initial: 0, add: (sum, { amount }) => (amount === 0 ? undefined : sum + amount) })
        .toStream()
        .to('out');
    },
  });
  const driver = testDriver(app, { restart: 'after-each-input' });
  for (const amount of [0, 2, 3, 0, 4]) driver.pipe('in', { item: 'x', amount }, { key: 'a' });
  expect(driver.values('out')).toEqual([2, 5, 4]);
  expect([...driver.state('sums')]).toEqual([['a', 4]]);
});

test('what a table puts out can be grouped again', () => {
  const app = defineApp({
    name: 'chain',
    version: 1,
    sources: { in: orders },
    sinks: { out: json(z.int()) },
    build(flow) {
      const counts = flow.from('in').groupByKey().count('counts').toStream();
      counts
        .filter((count) => count % 2 === 0)
        .groupByKey()
        .count('pairs')
        .toStream()
        .to('out');
    },
  });
  const driver = testDriver(app);
  for (let i = 0; i < 5; i += 1) driver.pipe('in', { item: 'x', amount: 1 }, { key: 'a' });
  expect(driver.values('out')).toEqual([1, 2]);
});

function dice(name: string) {
  return defineApp({
    name,
    version: 1,
    sources: { in: json(Order, { key: 'utf8' }) },
    sinks: { out: json(z.number()) },
    build(flow) {
      flow
        .from('in')
        .flatMap((_, ctx) => [ctx.random(), ctx.random()])
        .to('out');
    },
  });
}

test('ctx.random is the same in every run and after a restart, and differs by app, partition, position and draw', () => {
  const roll = (name: string, restart: 'after-each-input' | 'never'): readonly number[] => {
    const driver = testDriver(dice(name), { restart });
    for (let i = 0; i < 50; i += 1) driver.pipe('in', { item: 'x', amount: 1 }, { key: 'k', partition: i % 2 });
    return driver.values('out');
  };
  const rolls = roll('dice', 'never');
  expect(roll('dice', 'after-each-input')).toEqual(rolls);
  expect(new Set([...rolls, ...roll('dice2', 'never')]).size).toBe(200);
  expect(rolls.every((value) => value >= 0 && value < 1)).toBe(true);
});

test('bytes go through raw sources and sinks as they are', () => {
  const app = defineApp({
    name: 'bytes',
    version: 1,
    sources: { in: raw() },
    sinks: { out: raw() },
    build(flow) {
      flow.from('in').to('out');
    },
  });
  const driver = testDriver(app);
  driver.pipe('in', Uint8Array.of(0, 255, 7));
  expect(driver.values('out')).toEqual([Uint8Array.of(0, 255, 7)]);
});
