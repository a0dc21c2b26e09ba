// The workloads' exact outputs.
import { testDriver } from '@tandem/streams';
import { w1, w2, w3 } from '../app.ts';

const pad = '7bb98f3a0183a8b5e6336d1ff989d237ba2529d0fcfbedbf';

test('W1 drops small amounts and keeps every field of the others', () => {
  const driver = testDriver(w1);
  driver.pipe('in', { id: 'k1', amount: 9, ts: 1, pad }, { key: 'k1' });
  driver.pipe('in', { id: 'k2', amount: 10, ts: 2, pad }, { key: 'k2' });
  expect(driver.read('out')).toMatchObject([
    { key: 'k2', timestamp_ms: 2, value: { id: 'k2', amount: 10, ts: 2, pad, double: 20 } },
  ]);
});

test('W2 counts and sums per key, one output for each input', () => {
  const driver = testDriver(w2, { restart: 'after-each-input' });
  driver.pipeRaw('in', { key: 'k1', value: JSON.stringify({ id: 'k1', amount: 5, ts: 1, pad }) });
  driver.pipeRaw('in', { key: 'k2', value: JSON.stringify({ id: 'k2', amount: 7, ts: 2, pad }) });
  driver.pipeRaw('in', { key: 'k1', value: JSON.stringify({ id: 'k1', amount: 8, ts: 3, pad }) });
  expect(driver.values('out').map((value) => JSON.stringify(value))).toEqual([
    '{"id":"k1","count":1,"sum":5,"ts":1}',
    '{"id":"k2","count":1,"sum":7,"ts":2}',
    '{"id":"k1","count":2,"sum":13,"ts":3}',
  ]);
});

test('W2 carries sequence number and sending time in steady mode', () => {
  const driver = testDriver(w2);
  driver.pipe('in', { id: 'k1', amount: 5, ts: 10, seq: 0, sent: 10 }, { key: 'k1' });
  driver.pipe('in', { id: 'k1', amount: 6, ts: 11, seq: 1, sent: 11 }, { key: 'k1' });
  expect(driver.values('out').map((value) => JSON.stringify(value))).toEqual([
    '{"id":"k1","count":1,"sum":5,"ts":10,"seq":0,"sent":10}',
    '{"id":"k1","count":2,"sum":11,"ts":11,"seq":1,"sent":11}',
  ]);
});

test('W3 puts a window out when the largest time seen in the partition reaches its end', () => {
  const driver = testDriver(w3, { restart: 'after-each-input' });
  const read = (id: string, ts: number): void => {
    driver.pipe('in', { id, ts }, { key: id });
  };
  read('k1', 10_000);
  read('k2', 10_001);
  read('k1', 19_999);
  expect(driver.values('out')).toEqual([]);
  read('k3', 20_000);
  expect(driver.values('out').map((value) => JSON.stringify(value))).toEqual([
    '{"id":"k1","start":10000,"count":2}',
    '{"id":"k2","start":10000,"count":1}',
  ]);
  read('k1', 19_999);
  expect(driver.late).toBe(1);
});
