// Bytes that nobody meant as record batches: they are refused in words, or read within their bounds, and soon.
import { TandemError } from '@tandem/ports';
import fc from 'fast-check';
import { batchLayout, compressionCode } from '../../src/codec/batch-format.ts';
import { decompress, loadDecompressors } from '../../src/codec/compression.ts';
import type { RecordBatchReader } from '../../src/codec/record-batch-reader.ts';
import { goldenBatches } from './support/golden.ts';
import { batchOf, changed, readerOf, textRecords } from './support/batches.ts';

const codes = Object.values(compressionCode).filter((code) => code !== compressionCode.none);
const valid = Object.values(goldenBatches).map((hex) => Buffer.from(hex, 'hex'));

beforeAll(async () => {
  await loadDecompressors(Buffer.concat(valid));
});

/** False where the work was refused in words; anything else than a TandemError fails the test. */
function isDone(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (thrown) {
    if (!(thrown instanceof TandemError)) throw thrown;
    return false;
  }
}

/** Walks it all. Fails where a field lies outside of the bytes. */
function walk(reader: RecordBatchReader): void {
  const isRead = isDone(() => {
    while (reader.next()) {
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, position } = reader;
      expect(0 <= keyStart && keyStart <= valueStart && valueStart <= bytes.length).toBe(true);
      expect(keyEnd === -1 || (keyStart <= keyEnd && keyEnd <= valueStart)).toBe(true);
      expect(valueEnd === -1 || (valueStart <= valueEnd && valueEnd <= bytes.length)).toBe(true);
      expect(position).toBeLessThan(reader.nextPosition);
      isDone(() => reader.headers());
    }
  });
  if (!isRead) expect(reader.next()).toBe(false);
}

function walkBoth(records: Buffer): void {
  walk(readerOf(records));
  walk(readerOf(records, { aborted: [{ producerId: 41n, firstOffset: 0 }] }));
}

it('random bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      walkBoth(Buffer.from(bytes));
    }),
    { numRuns: 500 },
  );
});

it('random bytes with a batch’s head before them', () => {
  const head = batchOf(textRecords('a')).subarray(0, batchLayout.records);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(4), fc.integer(), (bytes, code, count) => {
      const batch = changed(Buffer.concat([head, bytes]), (copy) => {
        copy.writeInt16BE(code, batchLayout.attributes);
        copy.writeInt32BE(count, batchLayout.count);
        return undefined;
      });
      walkBoth(batch);
    }),
    { numRuns: 1000 },
  );
});

const mutation = fc.record({
  batch: fc.nat(valid.length - 1),
  changes: fc.array(fc.tuple(fc.nat(1000), fc.nat(255)), { minLength: 1, maxLength: 6 }),
  cut: fc.option(fc.nat(100), { freq: 3 }),
});

it.each([
  ['as they came', false],
  ['with a checksum that is right', true],
])('batches of the Java client with some bytes changed, %s', (_, fixesChecksum) => {
  fc.assert(
    fc.property(mutation, ({ batch, changes, cut }) => {
      const mutate = (bytes: Buffer): Buffer => {
        for (const [at, byte] of changes) bytes[batchLayout.attributes + (at % (bytes.length - 21))] = byte;
        return cut === null ? bytes : bytes.subarray(0, Math.max(batchLayout.records, bytes.length - cut));
      };
      const original = valid[batch] ?? Buffer.alloc(0);
      walkBoth(fixesChecksum ? changed(original, mutate) : mutate(Buffer.from(original)));
    }),
    { numRuns: 2000 },
  );
});

it('random bytes for every decompressor, and changed ones', () => {
  const refused = (code: number, bytes: Buffer): void => {
    isDone(() => {
      expect(decompress(code, bytes, 0, 1 << 20).length).toBeLessThanOrEqual(1 << 20);
    });
  };
  fc.assert(
    fc.property(fc.constantFrom(...codes), fc.uint8Array({ maxLength: 200 }), fc.nat(30), (code, bytes, kept) => {
      refused(code, Buffer.from(bytes));
      const batch = valid[code] ?? Buffer.alloc(0);
      refused(code, Buffer.concat([batch.subarray(batchLayout.records, batchLayout.records + kept), bytes]));
    }),
    { numRuns: 1500 },
  );
});
