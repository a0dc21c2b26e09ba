// What internals.ts depends on in kafkajs, tried without a broker: another version that has moved it fails here.
import { asPosition } from '@tandem/pair';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { batchAttributes, batchLayout } from '../../src/codec/batch-format.ts';
import { loadDecompressors } from '../../src/codec/compression.ts';
import {
  fetchRequest,
  initProducerIdRequest,
  loadKafkajs,
  newConnection,
  requestOf,
  spoken,
  type FetchedBatches,
} from '../../src/kafkajs/internals.ts';
import { kafkajsCodec, type DecodedRecords, type GatheredRecords } from '../../src/kafkajs/records.ts';
import type { RecordPage } from '../../src/records.ts';
import { goldenBatches } from '../codec/support/golden.ts';
import {
  batchOf,
  changed,
  markerOf,
  plain,
  readAll,
  readerOf,
  RecordList,
  type TestRecord,
} from '../codec/support/batches.ts';

beforeAll(loadKafkajs);

const version = '2.2.4';

/** A fetch response of one partition as brokers send it (version 11), behind the correlation id. */
function response(
  records: Buffer,
  aborted: readonly (readonly [producerId: bigint, firstOffset: bigint])[] = [],
): Buffer {
  const head = Buffer.alloc(4 + 2 + 4 + 4);
  head.writeInt32BE(1, 10);
  const topic = Buffer.from('\0\x05topic');
  const partition = Buffer.alloc(4 + 4 + 2 + 24 + 4);
  partition.writeInt32BE(1, 0);
  partition.writeInt32BE(3, 4);
  partition.writeBigInt64BE(90n, 10);
  partition.writeBigInt64BE(80n, 18);
  partition.writeBigInt64BE(7n, 26);
  partition.writeInt32BE(aborted.length, 34);
  const list = Buffer.alloc(aborted.length * 16);
  aborted.forEach(([producerId, firstOffset], at) => {
    list.writeBigInt64BE(producerId, at * 16);
    list.writeBigInt64BE(firstOffset, at * 16 + 8);
  });
  const tail = Buffer.alloc(8);
  tail.writeInt32BE(-1, 0);
  tail.writeInt32BE(records.length, 4);
  return Buffer.concat([head, topic, partition, list, tail, records]);
}

async function fetched(payload: Buffer): Promise<FetchedBatches> {
  const { response: decoder } = fetchRequest({ topics: [] });
  const { partitions } = (await decoder.decode(payload)) as { readonly partitions: readonly FetchedBatches[] };
  const [partition] = partitions;
  if (partition === undefined) throw new Error('no partition');
  return partition;
}

async function pageOf(payload: Buffer, from = 0): Promise<RecordPage> {
  const { partition, size_bytes: length, batches, failure, aborted } = await fetched(payload);
  const page = kafkajsCodec.page('topic');
  const records: DecodedRecords = { length, batches, failure };
  page.begin(partition, from, records, aborted);
  return page;
}

const records: readonly TestRecord[] = [
  { key: Buffer.from('k'), value: Buffer.from('v'), timestamp_ms: 1_700_000_000_000 },
  { key: null, value: Buffer.alloc(0), timestamp_ms: 0 },
  {
    key: Buffer.alloc(0),
    value: null,
    timestamp_ms: 4_102_444_800_000,
    headers: ['trace', 'ü', 'trace', '', 'b', '1'],
  },
  { key: null, value: null, timestamp_ms: 999 },
];

describe('what is used of kafkajs', () => {
  it(`is that of ${version}: before another version is taken, read internals.ts against its sources`, () => {
    const declared = JSON.parse(readFileSync(path.join(__dirname, '../../package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const installed = JSON.parse(readFileSync(require.resolve('kafkajs/package.json'), 'utf8')) as { version: string };
    expect(declared.dependencies['kafkajs']).toBe(version);
    expect(installed.version).toBe(version);
  });

  it('has the parts of a connection', () => {
    const connection = newConnection({
      host: 'nowhere',
      port: 1,
      clientId: 'test',
      connectionTimeout: 1,
      socketFactory: () => {
        throw new Error('not to be connected');
      },
      ssl: undefined,
      sasl: undefined,
    });
    for (const name of [
      'connect',
      'setVersions',
      'setSupportAuthenticationProtocol',
      'authenticate',
      'send',
      'rejectRequests',
      'disconnect',
    ] as const) {
      expect(typeof connection[name]).toBe('function');
    }
    const { requestQueue } = connection;
    expect(requestQueue.pending).toEqual([]);
    requestQueue.checkPendingRequests();
    expect(requestQueue.throttleCheckTimeoutId).toBeNull();
  });

  it.each(Object.entries(spoken).filter(([name]) => name !== 'InitProducerId' && name !== 'Fetch'))(
    'speaks %s in version %i',
    (name, number) => {
      const { request, response } = requestOf(name as Parameters<typeof requestOf>[0], {});
      expect(request.apiVersion).toBe(number);
      expect(typeof response.decode).toBe('function');
    },
  );

  it('judges no answer by itself: error codes come through', async () => {
    const { response } = requestOf('EndTxn', {});
    const fenced = Buffer.from('00000000005a', 'hex');
    expect(await response.parse(await response.decode(fenced))).toMatchObject({ errorCode: 90 });
  });

  it('takes a request for a producer id that says who asks, and its answer', async () => {
    const { request, response } = initProducerIdRequest('tandem.p.a.0', 10_000, 4711n, 3);
    const { buffer } = (await request.encode()) as { readonly buffer: Buffer };
    const id = Buffer.from('tandem.p.a.0').toString('hex');
    expect(buffer.toString('hex')).toBe(`000d${id}000027100000000000001267000300`);
    // With a field in the head that is not known.
    const answer = Buffer.from('010702ffff000000050000000000000000126800040000', 'hex');
    expect(await response.decode(answer)).toMatchObject({
      clientSideThrottleTime: 5,
      errorCode: 0,
      producerId: 4712n,
      producerEpoch: 4,
    });
  });
});

describe('records by kafkajs', () => {
  it.each(Object.entries(goldenBatches))('are read as those of the native client: %s', async (_, hex) => {
    const batch = Buffer.from(hex, 'hex');
    await loadDecompressors(batch);
    const page = await pageOf(response(batch));
    expect(readAll(page)).toEqual(readAll(readerOf(batch)));
    expect(page.nextPosition).toBe(3);
  });

  it('of undone transactions, and their marks, are passed over, and the next position is behind all of them', async () => {
    const by = (producerId: bigint, offset: number): Buffer =>
      batchOf(records, { offset, header: { producerId, producerEpoch: 0, transactional: true } });
    const payload = response(Buffer.concat([by(5n, 10), by(6n, 14), markerOf(18, 5n), by(5n, 19), markerOf(23, 6n)]), [
      [5n, 10n],
    ]);
    const page = await pageOf(payload, 12);
    expect(readAll(page).map(({ position }) => position)).toEqual([14, 15, 16, 17, 19, 20, 21, 22]);
    expect(page.nextPosition).toBe(24);
  });

  it('that were compacted away leave no gap in the positions', async () => {
    const empty = changed(batchOf(records, { offset: 40, lastOffset: 49 }), (bytes) => {
      bytes.writeInt32BE(0, batchLayout.count);
      return bytes.subarray(0, batchLayout.records);
    });
    const page = await pageOf(response(empty), 40);
    expect(page.next()).toBe(false);
    expect(page.nextPosition).toBe(50);
  });

  it('that have not come whole are left for the next fetch', async () => {
    const batch = batchOf(records);
    const page = await pageOf(response(Buffer.concat([batch, batchOf(records, { offset: 4 }).subarray(0, -1)])));
    expect(readAll(page)).toHaveLength(4);
    expect(page.nextPosition).toBe(4);
    expect((await pageOf(response(batch.subarray(0, 70)))).nextPosition).toBe(0);
  });

  it('that cannot be decoded are met after those before them, not asked for again and again', async () => {
    const batch = batchOf(records);
    const old = batchOf(records, { offset: 4 });
    old.writeInt8(1, batchLayout.magic);
    const page = await pageOf(response(Buffer.concat([batch, old])));
    for (let left = records.length; left > 0; left--) expect(page.next()).toBe(true);
    expect(() => page.next()).toThrow(
      expect.objectContaining({
        code: 'kafka-corrupt-batch',
        message: expect.stringContaining("topic 'topic'") as string,
      }) as Error,
    );
    expect(page.next()).toBe(false);
    expect(page.nextPosition).toBeGreaterThan(asPosition(4));
  });

  it.each(['none', 'gzip'] as const)('are written as the native client reads them: %s', async (compression) => {
    const writer = kafkajsCodec.writer();
    const list = new RecordList(records);
    while (list.next()) expect(writer.tryAdd(list, 100_000)).toBe(true);
    const header = { ...plain, producerId: 77n, producerEpoch: 5, baseSequence: 12, transactional: true, compression };
    const gathered = writer.finish(header) as GatheredRecords;
    const { request } = requestOf('Produce', {
      acks: -1,
      timeout: 1000,
      transactionalId: 'id',
      producerId: String(gathered.producerId),
      producerEpoch: gathered.producerEpoch,
      compression: compression === 'gzip' ? 1 : 0,
      topicData: [
        {
          topic: 't',
          partitions: [{ partition: 0, firstSequence: gathered.baseSequence, messages: gathered.messages }],
        },
      ],
    });
    const { buffer } = (await request.encode()) as { readonly buffer: Buffer };
    // Id, acks, time-out, one topic, one partition, its number, length.
    const batch = buffer.subarray(4 + 2 + 4 + 4 + 3 + 4 + 4 + 4);
    expect(batch.readBigInt64BE(batchLayout.producerId)).toBe(77n);
    expect(batch.readInt16BE(batchLayout.producerEpoch)).toBe(5);
    expect(batch.readInt32BE(batchLayout.baseSequence)).toBe(12);
    expect(batch.readInt16BE(batchLayout.attributes) & batchAttributes.transactional).not.toBe(0);
    const read = readAll(readerOf(batch));
    expect(read).toMatchObject(records.map((record, position) => ({ headers: undefined, ...record, position })));
    if (compression === 'none') expect(writer.size_bytes).toBeGreaterThanOrEqual(batch.length);
  });

  it('are refused where a batch would become larger than it may', () => {
    const writer = kafkajsCodec.writer();
    const list = new RecordList([{ key: null, value: Buffer.alloc(1000), timestamp_ms: 1 }]);
    list.next();
    expect(writer.tryAdd(list, 1000)).toBe(false);
    expect(writer.count).toBe(0);
    expect(writer.tryAdd(list, 1200)).toBe(true);
    expect(writer.tryAdd(list, 1200)).toBe(false);
    writer.reset();
    expect(writer.count).toBe(0);
  });
});
