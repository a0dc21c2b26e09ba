// The same three records as Kafka's own Java client wrote them, read and written.
import { batchLayout } from '../../src/codec/batch-format.ts';
import { loadDecompressors } from '../../src/codec/compression.ts';
import { RecordBatchWriter } from '../../src/codec/record-batch-writer.ts';
import { goldenBatches } from './support/golden.ts';
import { changed, readAll, readerOf, RecordList, type TestRecord } from './support/batches.ts';

const amounts = (amount: number): Buffer => Buffer.from(`{${`"amount":${amount},`.repeat(4).slice(0, -1)}}`);

const records: TestRecord[] = [
  {
    key: Buffer.from('c1'),
    value: amounts(1),
    timestamp_ms: 1_760_000_000_000,
    headers: ['trace', 'ä7', 'none', ''],
  },
  { key: null, value: amounts(2), timestamp_ms: 1_759_999_999_990, headers: undefined },
  { key: Buffer.from('c2'), value: null, timestamp_ms: 1_760_000_012_345, headers: undefined },
];

it.each(Object.entries(goldenBatches))('a batch of the Java client is read: %s', async (_, hex) => {
  const bytes = Buffer.from(hex, 'hex');
  await loadDecompressors(bytes);
  const read = readAll(readerOf(bytes));
  expect(read).toEqual(records.map((record, position) => ({ ...record, position })));
});

it('what is written is the same, byte by byte', () => {
  const writer = new RecordBatchWriter();
  const list = new RecordList(records);
  while (list.next()) writer.add(list);
  const written = writer.finish({
    producerId: 41n,
    producerEpoch: 3,
    baseSequence: 17,
    transactional: true,
    compression: 'none',
  });
  // The one difference: its header 'none' has a value of null, ours an empty one.
  const expected = changed(Buffer.from(goldenBatches.none, 'hex'), (bytes) => {
    bytes[bytes.indexOf('none', batchLayout.records) + 4] = 0;
    return undefined;
  });
  expect(written.toString('hex')).toBe(expected.toString('hex'));
});
