// Compressed records: frames of other writers than Java's, limits, and data that is not what it says.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { batchLayout, compressionCode } from '../../src/codec/batch-format.ts';
import { decompress, loadDecompressors } from '../../src/codec/compression.ts';
import { batchOf, textRecords, valuesOf } from './support/batches.ts';

const { gzip, snappy, lz4, zstd } = compressionCode;

/** What all of the samples hold. */
const text = 'tandem '.repeat(30_000);
const sample = (name: string): Buffer => readFileSync(path.join(__dirname, 'fixtures', name));
const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex');

// From the command-line tools: without and with the size of the content, and with a checksum (streamed).
const zstdPlain = Buffer.from('KLUv/QBYfAAAOHRhbmRlbSABAPb/yosRTQAACGUBAEw0ORAC', 'base64');
const zstdSized = Buffer.from('KLUv/aRQNAMAfAAAOHRhbmRlbSABAPb/yosRRQAAAAEATTTKCxCHFB6w', 'base64');
const zstdChecked = Buffer.from('KLUv/QRYfAAAOHRhbmRlbSABAPb/yosRTQAACGUBAEw0ORAChxQesA==', 'base64');

const samples: [string, number, Buffer, string][] = [
  ['gzip', gzip, gzipSync(text), text],
  ['gzip of two members', gzip, Buffer.concat([gzipSync('one, '), gzipSync('two')]), 'one, two'],
  ['LZ4, blocks that refer to those before', lz4, sample('linked.lz4'), text],
  ['LZ4, with sizes and checksums', lz4, sample('sized.lz4'), text],
  ['LZ4, several frames', lz4, Buffer.concat([sample('sized.lz4'), skippable, sample('linked.lz4')]), text + text],
  ['LZ4, stored', lz4, Buffer.from('04224d1860408202000080616200000000', 'hex'), 'ab'],
  [
    'snappy without framing',
    snappy,
    Buffer.concat([hex('b82e'), repeat(5944, 8)]),
    'tandem '.repeat(850).slice(0, 5944),
  ],
  ['snappy, a copy with a long distance', snappy, hex('08086162631303000000'), 'abcabcab'],
  ['zstd', zstd, zstdPlain, text],
  ['zstd, with its size', zstd, zstdSized, text],
  ['zstd, with a checksum', zstd, zstdChecked, text],
  ['zstd, several frames', zstd, Buffer.concat([zstdSized, skippable, zstdPlain]), text + text],
];

beforeAll(async () => {
  const batch = batchOf(textRecords('x'), { records: { compression: zstd, bytes: zstdPlain } });
  await loadDecompressors(batch);
});

describe.each(samples)('%s', (_, code, compressed, expected) => {
  it('is decompressed', () => {
    expect(decompress(code, compressed, 0).toString()).toBe(expected);
  });

  it('is refused where it would become too large', () => {
    const limit_bytes = expected.length - 1;
    expect(() => decompress(code, compressed, 5, limit_bytes)).toThrow(
      expect.objectContaining({
        code: 'kafka-batch-too-large',
        message: expect.stringMatching(/^the record batch at offset 5 becomes more than/) as string,
      }) as Error,
    );
  });

  it('is refused where its end is missing', () => {
    for (let length = 0; length < compressed.length; length += Math.ceil(compressed.length / 50)) {
      const part = compressed.subarray(0, length);
      try {
        // Several frames may end after one of them.
        expect(expected.startsWith(decompress(code, part, 5).toString())).toBe(true);
      } catch (thrown) {
        expect(thrown).toMatchObject({
          code: 'kafka-corrupt-batch',
          message: expect.stringContaining('offset 5') as string,
        });
      }
    }
  });
});

describe('is refused:', () => {
  it.each([
    ['a compression that is unknown', 5, Buffer.from('abc'), 'its compression 5 is unknown'],
    ['what is no LZ4 frame', lz4, Buffer.from('abcdefgh'), 'it is no LZ4 frame'],
    ['an LZ4 frame with a dictionary', lz4, hex('04224d18614082'), 'the LZ4 frame needs a dictionary'],
    ['an LZ4 copy from before the frame', lz4, lz4Block('1061ff0000'), 'an LZ4 copy reaches before its frame'],
    ['an LZ4 copy from where it writes', lz4, lz4Block('1061000000'), 'an LZ4 copy reaches before its frame'],
    ['a snappy copy from before the block', snappy, hex('0800610504'), 'a snappy copy reaches before its block'],
    ['a snappy block that is too short', snappy, hex('08006100620063'), 'a snappy block is shorter than its size'],
    [
      'a snappy block of an unbelievable size',
      snappy,
      hex('ffff3f0061'),
      'a snappy block is shorter than its size can be',
    ],
    ['a snappy block that is too long', snappy, hex('020c61626364'), 'a snappy literal is too long'],
    ['what is no zstd frame', zstd, Buffer.from('abcdefgh'), 'it is no zstd frame'],
  ])('%s', (_, code, compressed, reason) => {
    expect(() => decompress(code, compressed, 5)).toThrow(
      expect.objectContaining({
        code: 'kafka-corrupt-batch',
        message: expect.stringContaining(`corrupt at offset 5: ${reason}`) as string,
      }) as Error,
    );
  });

  it('a size that only begins to be enormous', () => {
    const large = Buffer.concat([hex('04224d18607082'), ...Array.from({ length: 65 }, lz4Large)]);
    expect(() => decompress(lz4, large, 5)).toThrow(
      expect.objectContaining({ code: 'kafka-batch-too-large' }) as Error,
    );
    const snappySize = hex('ffffffff0f');
    expect(() => decompress(snappy, snappySize, 5)).toThrow('becomes more than 256 MiB');
  });
});

it('a batch that is not compressed needs nothing to be loaded', () => {
  expect(loadDecompressors(batchOf(textRecords('x')))).toBeUndefined();
  expect(loadDecompressors(Buffer.alloc(100, 4))).toBeUndefined();
});

it('records of a snappy batch in the framing of xerial are read, of several blocks too', () => {
  const records = batchOf(textRecords('first', 'second')).subarray(batchLayout.records);
  const blocks = [records.subarray(0, 10), records.subarray(10)].map((part) => {
    const block = Buffer.concat([Buffer.from([part.length, (part.length - 1) << 2]), part]);
    return Buffer.concat([Buffer.from([0, 0, 0, block.length]), block]);
  });
  const bytes = Buffer.concat([hex('82534e41505059000000000100000001'), ...blocks]);
  const batch = batchOf(textRecords('first', 'second'), { records: { compression: snappy, bytes } });
  expect(valuesOf(batch)).toEqual(['first', 'second']);
});

function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex');
}

/** Snappy: a literal of 'tandem ', then copies of up to 64 bytes from seven bytes before. */
function repeat(size: number, width: number): Buffer {
  const parts = [Buffer.from([6 << 2]), Buffer.from('tandem ')];
  for (let left = size - 7; left > 0; left -= 64) {
    parts.push(Buffer.from([((Math.min(left, 64) - 1) << 2) | 2, width - 1, 0]));
  }
  return Buffer.concat(parts);
}

/** A frame of one compressed block. */
function lz4Block(digits: string): Buffer {
  const block = hex(digits);
  return Buffer.concat([hex('04224d18604082'), Buffer.from([block.length, 0, 0, 0]), block, Buffer.alloc(4)]);
}

/** A block of as few bytes as may make 4 MiB. */
function lz4Large(): Buffer {
  const block = Buffer.alloc(4 + 17_000);
  block.writeUInt32LE(17_000);
  return block;
}
