import type { LogRecord } from '@tandem/harness';
import { CounterReference, OrdersReference, textOf } from '../src/reference.ts';

function record(key: string, value: unknown): LogRecord {
  return { partition: 0, offset: 0, key, value: typeof value === 'string' ? value : JSON.stringify(value) };
}

it('adds up the counter by key', () => {
  const reference = new CounterReference();
  for (const [key, n] of [
    ['x', 0],
    ['y', 1],
    ['x', 2],
  ] as const) {
    reference.take(record(key, { n }));
  }
  const found = [
    record('x', { n: 0, count: 1, sum: 0 }),
    record('y', { sum: 1, count: 1, n: 1 }),
    record('x', { n: 2, count: 2, sum: 2 }),
  ].map((output) => textOf('counts', output));
  expect(reference.counts.map(({ text }) => text)).toEqual(found);
});

describe('orders', () => {
  function reference(...orders: [customer: string, amount: number, second: number][]): OrdersReference {
    const made = new OrdersReference();
    for (const [customer, amount, second] of orders)
      made.take(record(customer, { customer, amount, ts: second * 1000 }));
    return made;
  }

  it('adds up what is above zero', () => {
    const { totals } = reference(['c', 5, 0], ['c', 0, 1], ['c', -3, 2], ['c', 7, 3]);
    expect(totals.map(({ text }) => text)).toEqual(['c count=1 sum=5', 'c count=2 sum=12']);
  });

  it('closes a minute when its grace is over, without what came later', () => {
    expect(reference(['c', 1, 0], ['c', 1, 64]).perMinute).toEqual([]);
    const closed = reference(['c', 1, 0], ['d', 1, 62], ['c', 1, 59], ['c', 1, 65], ['c', 1, 58]);
    expect(closed.perMinute).toEqual([{ text: 'c count=2 start=0', rank: 0 }]);
  });

  it('diverts what is no order', () => {
    const made = new OrdersReference();
    made.take(record('c', 'no order'));
    made.take(record('c', { customer: 'c', amount: 'much', ts: 1 }));
    expect(made.deadLetters.map(({ text }) => text)).toEqual([
      'c no order',
      'c {"customer":"c","amount":"much","ts":1}',
    ]);
    expect(made.totals).toEqual([]);
  });
});
