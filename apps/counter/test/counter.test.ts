// The counter: every number gives one output that follows from the one before.
import { testDriver } from '@tandem/streams';
import { counter } from '../app.ts';

test('every number gives the running count and sum of its key', () => {
  const driver = testDriver(counter, { restart: 'after-each-input' });
  for (let n = 1; n <= 4; n += 1) driver.pipe('numbers', { n }, { key: 'counter' });
  driver.pipe('numbers', { n: 7 }, { key: 'another' });
  expect(driver.values('counts')).toEqual([
    { n: 1, count: 1, sum: 1 },
    { n: 2, count: 2, sum: 3 },
    { n: 3, count: 3, sum: 6 },
    { n: 4, count: 4, sum: 10 },
    { n: 7, count: 1, sum: 7 },
  ]);
});

test('a number that is none stops it', () => {
  const driver = testDriver(counter);
  expect(() => {
    driver.pipeRaw('numbers', { key: 'counter', value: '{"n":"1"}' });
  }).toThrow("source 'numbers' partition 0 position 0: its value does not fit the schema: n:");
});
