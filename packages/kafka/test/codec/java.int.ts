// Kafka's own Java client writes what we read, reads what we write, and sends keys to the same partitions.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { partitionOf, murmur2 } from '@tandem/ports';
import { describeWithStack, runJava } from '@tandem/stack';
import fc from 'fast-check';
import { batchLayout, compressionCode } from '../../src/codec/batch-format.ts';
import { loadDecompressors } from '../../src/codec/compression.ts';
import { RecordBatchWriter } from '../../src/codec/record-batch-writer.ts';
import { batchOf, readAll, readerOf, RecordList, type ReadRecord, type TestRecord } from './support/batches.ts';
import { recordsArbitrary } from './support/arbitraries.ts';

jest.setTimeout(120_000);

const source = path.join(__dirname, 'RecordBatches.java');
const seed = 20_261_121;

async function java(args: readonly string[], stdin?: string | Uint8Array): Promise<string[]> {
  const { exitCode, stdout, output } = await runJava({ source }, args, stdin);
  if (exitCode !== 0) throw new Error(output);
  return stdout.split('\n').filter((line) => line !== '');
}

const hex = (bytes: Uint8Array | null): string => (bytes === null ? 'null' : `x${Buffer.from(bytes).toString('hex')}`);

/** As the Java program prints it. */
function line({ position, timestamp_ms, key, value, headers = [] }: ReadRecord): string {
  const pairs: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    pairs.push(` ${hex(Buffer.from(headers[at] ?? ''))}=${hex(Buffer.from(headers[at + 1] ?? ''))}`);
  }
  return `${position} ${timestamp_ms} ${hex(key)} ${hex(value)}${pairs.join('')}`;
}

describeWithStack(
  'record batches and the Java client',
  () => {
    it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('what it writes is read as it was meant: %s', async (type) => {
      const folder = await mkdtemp(path.join(tmpdir(), 'tandem-batches-'));
      try {
        const file = path.join(folder, 'batches');
        const said = await java(['write', type, String(seed), file]);
        const bytes = await readFile(file);
        const of = (...kinds: string[]): string[] =>
          said.filter((text) => kinds.includes(text.split(' ', 1)[0] ?? '')).map((text) => text.replace(/^\S+ /, ''));
        const aborted = of('abort').map((text) => {
          const [producerId = '', firstOffset = ''] = text.split(' ');
          return { producerId: BigInt(producerId), firstOffset: Number(firstOffset) };
        });
        expect(aborted.length).toBe(2);
        await loadDecompressors(bytes);
        const committed = of('committed');
        expect(committed.length).toBeGreaterThan(350);
        expect(readAll(readerOf(bytes, { aborted })).map(line)).toEqual(committed);
        expect(readAll(readerOf(bytes)).map(line)).toEqual(of('committed', 'aborted'));
        // A page of a partition may begin anywhere.
        const from = Number(committed[250]?.split(' ', 1)[0]);
        const reader = readerOf(bytes, { aborted, from });
        expect(readAll(reader).map(line)).toEqual(committed.slice(250));
        const last = Number(committed.at(-1)?.split(' ', 1)[0]);
        expect(reader.nextPosition).toBe(last + 1);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it.each(['none', 'gzip'] as const)('it reads what we write: %s', async (compression) => {
      const writer = new RecordBatchWriter();
      const batches: Buffer[] = [];
      const expected: string[] = [];
      let sequence = 17;
      const samples = fc.sample(recordsArbitrary, { numRuns: 60, seed });
      const value = Buffer.from('tandem '.repeat(30_000));
      for (const records of [...samples, [{ key: null, value, timestamp_ms: 0 }]]) {
        writer.reset();
        const list = new RecordList(records);
        while (list.next()) writer.add(list);
        const batch = Buffer.from(
          writer.finish({
            producerId: 123_456_789_012n,
            producerEpoch: 9,
            baseSequence: sequence,
            transactional: sequence % 2 === 1,
            compression,
          }),
        );
        const isCompressed = (batch.readInt16BE(batchLayout.attributes) & 7) === compressionCode.gzip;
        const max = Math.max(...records.map(({ timestamp_ms }) => timestamp_ms));
        expected.push(
          `batch 0 ${records.length - 1} count=${records.length} max=${max} producer=123456789012/9/${sequence} ` +
            `transactional=${String(sequence % 2 === 1)} ${isCompressed ? 'gzip' : 'none'}`,
        );
        batches.push(batch);
        sequence += records.length;
      }
      const said = await java(['read'], Buffer.concat(batches));
      expect(said.filter((text) => text.startsWith('batch'))).toEqual(expected);
      const written = [...samples, [{ key: null, value, timestamp_ms: 0 }]].flatMap((records: readonly TestRecord[]) =>
        records.map((record, position) => `record ${line({ ...record, position })}`),
      );
      expect(said.filter((text) => text.startsWith('record'))).toEqual(written);
    });

    it('snappy blocks without the framing are read too', async () => {
      const records = Array.from({ length: 500 }, (_, index) => ({
        key: Buffer.from(`key ${index}`),
        value: Buffer.from(`some value, and then ${index % 7}`),
        timestamp_ms: index,
      }));
      const stored = batchOf(records);
      const [compressed = ''] = await java(['snappy'], stored.subarray(batchLayout.records));
      const bytes = Buffer.from(compressed, 'hex');
      expect(bytes.length).toBeLessThan(stored.length / 2);
      const batch = batchOf(records, { records: { compression: compressionCode.snappy, bytes } });
      expect(readAll(readerOf(batch))).toEqual(readAll(readerOf(stored)));
    });

    it('keys go to the same partitions', async () => {
      const keys = fc.sample(fc.uint8Array({ maxLength: 70 }), { numRuns: 4000, seed });
      const said = await java(['partition', '13'], keys.map(hex).join('\n'));
      expect(said).toEqual(keys.map((key) => `${murmur2(key)} ${partitionOf(key, 0, key.length, 13)}`));
    });
  },
  ['kafka-4.1'],
);
