// The check reads real tables: what is right passes, and each kind of mistake is found.
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { PostgresLogs, type LogAppender } from '@tandem/harness';
import { checkOutputs, computeExpected, countRecords } from '../src/check.ts';
import { inputLogs, outputLogs, partitions } from '../src/logs.ts';

jest.setTimeout(60_000);

let database: TestDatabase;
let logs: PostgresLogs;
const writers = new Map<string, LogAppender>();

beforeEach(async () => {
  database = await (await sharedTestServer()).createDatabase();
  logs = new PostgresLogs(database.url);
  for (const log of [...inputLogs, ...outputLogs]) writers.set(log, await logs.writer(log, partitions));
});

afterEach(async () => {
  for (const writer of writers.values()) await writer.close();
  await logs.close();
  await database.drop();
});

async function append(log: string, ...records: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
  const writer = writers.get(log);
  for (const [key, value] of records) writer?.add(key, typeof value === 'string' ? value : JSON.stringify(value));
  await writer?.flush();
}

/** Two numbers, a minute of orders that is closed by the last, and what must come of them. */
async function scene(): Promise<void> {
  await append('numbers', ['c1', { n: 1 }], ['c1', { n: 2 }]);
  const order = (amount: number, second: number) => ({ customer: 'x', amount, ts: second * 1000 });
  await append('orders', ['x', order(5, 0)], ['x', 'no order'], ['x', order(0, 1)], ['x', order(7, 65)]);
  await append('totals', ['x', { count: 1, sum: 5 }], ['x', { count: 2, sum: 12 }]);
  await append('per-minute', ['x', { start: 0, count: 1 }]);
  await append('dead-letter', ['x', 'no order']);
}

const counts = [
  ['c1', { n: 1, count: 1, sum: 1 }],
  ['c1', { n: 2, count: 2, sum: 3 }],
] as const;

async function verdict() {
  return await checkOutputs(logs, await computeExpected(logs));
}

it('passes what is right', async () => {
  await scene();
  await append('counts', ...counts);
  expect(await computeExpected(logs)).toMatchObject({ inputs: 6, outputs: 6 });
  expect(await verdict()).toEqual({ outputs: 6, lost: 0, duplicated: 0, reordered: 0 });
  expect(await countRecords(logs, outputLogs)).toBe(6);
});

it('finds an output that is missing', async () => {
  await scene();
  await append('counts', counts[0]);
  expect(await verdict()).toMatchObject({ lost: 1, duplicated: 0, reordered: 0 });
});

it('finds an output that is there twice', async () => {
  await scene();
  await append('counts', ...counts, counts[1]);
  expect(await verdict()).toMatchObject({ lost: 0, duplicated: 1, reordered: 0 });
});

it('finds outputs that changed places', async () => {
  await scene();
  await append('counts', counts[1], counts[0]);
  expect(await verdict()).toMatchObject({ lost: 0, duplicated: 0, reordered: 1 });
});

it('finds an output with a wrong sum', async () => {
  await scene();
  await append('counts', counts[0], ['c1', { n: 2, count: 2, sum: 4 }]);
  expect(await verdict()).toMatchObject({ lost: 1, duplicated: 1 });
});
