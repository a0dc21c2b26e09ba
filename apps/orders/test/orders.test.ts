// Orders: totals at once, minutes when they close, dead letters for the rest.
import { testDriver } from '@tandem/streams';
import { orders } from '../app.ts';

const minute_ms = 60_000;

test('every order gives the new total of its customer', () => {
  const driver = testDriver(orders);
  driver.pipe('orders', { customer: 'ann', amount: 100, ts: 1 }, { key: 'ann' });
  driver.pipe('orders', { customer: 'bob', amount: 50, ts: 2 }, { key: 'bob' });
  driver.pipe('orders', { customer: 'ann', amount: 25, ts: 3 }, { key: 'ann' });
  expect(driver.read('totals').map(({ key, value }) => [key, value])).toEqual([
    ['ann', { count: 1, sum: 100 }],
    ['bob', { count: 1, sum: 50 }],
    ['ann', { count: 2, sum: 125 }],
  ]);
});

test('an order of nothing counts nowhere', () => {
  const driver = testDriver(orders);
  driver.pipe('orders', { customer: 'ann', amount: 0, ts: 1 }, { key: 'ann' });
  expect(driver.read('totals')).toEqual([]);
  expect(driver.state('totals').size).toBe(0);
});

test('a minute is put out once it and its grace are over, and late orders still count in the totals', () => {
  const driver = testDriver(orders, { restart: 'after-each-input' });
  const order = (customer: string, ts: number): void => {
    driver.pipe('orders', { customer, amount: 1, ts }, { key: customer });
  };
  order('ann', 10_000);
  order('bob', minute_ms + 4_000);
  order('ann', 59_999);
  expect(driver.read('perMinute')).toEqual([]);
  order('bob', minute_ms + 5_000);
  expect(driver.read('perMinute').map(({ key, value }) => [key, value])).toEqual([['ann', { start: 0, count: 2 }]]);
  order('ann', 30_000);
  expect(driver.late).toBe(1);
  expect(driver.values('totals').at(-1)).toEqual({ count: 3, sum: 3 });
});

test('an order that cannot be read becomes a dead letter and the rest goes on', () => {
  const driver = testDriver(orders);
  driver.pipeRaw('orders', { key: 'ann', value: '{"customer":"ann","amount":"much","ts":1}' });
  driver.pipe('orders', { customer: 'ann', amount: 1, ts: 2 }, { key: 'ann' });
  const [letter, ...others] = driver.read('deadLetter');
  expect(others).toEqual([]);
  expect(letter?.key).toBe('ann');
  expect(Buffer.from(letter?.value ?? '').toString()).toBe('{"customer":"ann","amount":"much","ts":1}');
  expect(letter?.headers).toContain('invalid-record');
  expect(driver.values('totals')).toEqual([{ count: 1, sum: 1 }]);
});
