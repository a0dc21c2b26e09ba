// What read committed leaves out. A producer's id is the same for all of its transactions and epochs.
import { batchOf, markerOf, readerOf, textRecords, valuesOf } from './support/batches.ts';

/** A transactional batch of one record. */
function written(offset: number, producerId: bigint, value: string): Buffer {
  return batchOf(textRecords(value), {
    offset,
    header: { producerId, producerEpoch: 0, baseSequence: 0, transactional: true },
  });
}

it('control batches are never handed out, and count', () => {
  const records = Buffer.concat([written(0, 7n, 'a'), markerOf(1, 7n)]);
  for (const aborted of [null, []]) {
    const reader = readerOf(records, { aborted });
    expect(reader.nextPosition).toBe(2);
    expect(reader.next()).toBe(true);
    expect(reader.next()).toBe(false);
  }
});

it('the same producer aborts, commits and aborts within one response: only what it committed is handed out', () => {
  const records = Buffer.concat([
    written(0, 7n, 'aborted 1'),
    written(1, 7n, 'aborted 2'),
    markerOf(2, 7n),
    written(3, 7n, 'committed 1'),
    markerOf(4, 7n),
    written(5, 7n, 'committed 2'),
    markerOf(6, 7n),
    written(7, 7n, 'aborted 3'),
    markerOf(8, 7n),
    written(9, 7n, 'committed 3'),
    markerOf(10, 7n),
  ]);
  const aborted = [
    { producerId: 7n, firstOffset: 0 },
    { producerId: 7n, firstOffset: 7 },
  ];
  const committed = ['committed 1', 'committed 2', 'committed 3'];
  expect(valuesOf(records, { aborted })).toEqual(committed);
  expect(valuesOf(records, { aborted: aborted.toReversed() })).toEqual(committed);
  expect(valuesOf(records, { aborted: null }).length).toBe(6);
});

it('producers are told apart, and those without transactions are left alone', () => {
  const records = Buffer.concat([
    written(0, 7n, 'aborted'),
    written(1, 8n, 'committed 1'),
    batchOf(textRecords('not transactional'), { offset: 2, header: { producerId: 7n, producerEpoch: 0 } }),
    batchOf(textRecords('plain'), { offset: 3 }),
    markerOf(4, 8n),
    written(5, 7n, 'aborted too'),
    written(6, 8n, 'aborted as well'),
    markerOf(7, 7n),
    written(8, 7n, 'committed 2'),
    markerOf(9, 8n),
    markerOf(10, 7n),
  ]);
  const aborted = [
    { producerId: 8n, firstOffset: 6 },
    { producerId: 7n, firstOffset: 0 },
  ];
  expect(valuesOf(records, { aborted })).toEqual(['committed 1', 'not transactional', 'plain', 'committed 2']);
});

it('a transaction that began before the response is aborted up to its end', () => {
  const records = Buffer.concat([written(100, 7n, 'aborted'), markerOf(101, 7n), written(102, 7n, 'committed')]);
  const aborted = [{ producerId: 7n, firstOffset: 40 }];
  expect(valuesOf(records, { from: 100, aborted })).toEqual(['committed']);
  // Also where what is wanted begins after the mark: a broker sends whole batches.
  expect(valuesOf(records, { from: 102, aborted })).toEqual(['committed']);
});

it('an aborted transaction whose first record is within a batch drops that batch', () => {
  const batch = batchOf(textRecords('a', 'b', 'c'), {
    offset: 10,
    header: { producerId: 7n, producerEpoch: 0, transactional: true },
  });
  expect(valuesOf(batch, { aborted: [{ producerId: 7n, firstOffset: 12 }] })).toEqual([]);
  expect(valuesOf(batch, { aborted: [{ producerId: 7n, firstOffset: 13 }] })).toEqual(['a', 'b', 'c']);
});

it('nothing is carried over from one response to the next', () => {
  const reader = readerOf(written(0, 7n, 'aborted'), { aborted: [{ producerId: 7n, firstOffset: 0 }] });
  expect(reader.next()).toBe(false);
  reader.reset(written(1, 7n, 'of another time'), { from: 1, aborted: [] });
  expect(reader.next()).toBe(true);
});
