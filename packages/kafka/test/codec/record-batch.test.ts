// Batches written and read back: any records, limits, and what a topic holds besides records.
import fc from 'fast-check';
import { batchLayout, compressionCode } from '../../src/codec/batch-format.ts';
import { RecordBatchReader } from '../../src/codec/record-batch-reader.ts';
import { RecordBatchWriter } from '../../src/codec/record-batch-writer.ts';
import { recordsArbitrary } from './support/arbitraries.ts';
import {
  batchOf,
  changed,
  plain,
  readAll,
  readerOf,
  RecordList,
  textRecords,
  valuesOf,
  type TestRecord,
} from './support/batches.ts';

/** Bytes as text: Jest takes long to compare large ones otherwise. */
const told = (records: readonly TestRecord[]): object[] =>
  records.map(({ key, value, timestamp_ms, headers }, position) => ({
    position,
    timestamp_ms,
    key: key && Buffer.from(key).toString('hex'),
    value: value && Buffer.from(value).toString('hex'),
    headers,
  }));

const toldOf = (batch: Buffer): object[] => {
  const records = readAll(readerOf(batch));
  expect(records.map(({ position }) => position)).toEqual(records.map((_, index) => index));
  return told(records);
};

describe('a batch that is written and read back', () => {
  it.each(['none', 'gzip'] as const)('holds the same records: %s', (compression) => {
    fc.assert(
      fc.property(recordsArbitrary, (records) => {
        const batch = batchOf(records, { header: { compression } });
        expect(toldOf(batch)).toEqual(told(records));
      }),
    );
  });

  it('holds the same records when one buffer is used again and again, and grows', () => {
    const writer = new RecordBatchWriter();
    fc.assert(
      fc.property(recordsArbitrary, fc.nat(200_000), (records, size) => {
        const large: TestRecord = { key: null, value: Buffer.alloc(size, 'tandem '), timestamp_ms: 5 };
        const all = [...records, large, ...records];
        writer.reset();
        const list = new RecordList(all);
        while (list.next()) writer.add(list);
        expect(writer.count).toBe(all.length);
        expect(toldOf(writer.finish(plain))).toEqual(told(all));
      }),
      { numRuns: 20 },
    );
  });

  it('is as large as was said before each record was added', () => {
    fc.assert(
      fc.property(recordsArbitrary, (records) => {
        const writer = new RecordBatchWriter();
        const list = new RecordList(records);
        while (list.next()) {
          const size_bytes = writer.sizeWith(list);
          expect(writer.fits(list, size_bytes)).toBe(true);
          expect(writer.fits(list, size_bytes - 1)).toBe(false);
          const { count } = writer;
          expect(writer.tryAdd(list, size_bytes - 1)).toBe(false);
          expect(writer.count).toBe(count);
          expect(writer.tryAdd(list, size_bytes)).toBe(true);
          expect(writer.size_bytes).toBe(size_bytes);
        }
        expect(writer.finish(plain).length).toBe(writer.size_bytes);
      }),
    );
  });

  it('holds records of sizes at which a length takes one more byte', () => {
    const records = [0, 1, 62, 63, 64, 65, 8190, 8191, 8192, 8193, 1_048_575, 1_048_576, 1_048_577].map((size) => ({
      key: Buffer.alloc(size, 1),
      value: Buffer.alloc(size, 2),
      timestamp_ms: size * 2 ** 20,
    }));
    expect(toldOf(batchOf(records))).toEqual(told(records));
  });

  it('may be finished twice, as another producer too', () => {
    const writer = new RecordBatchWriter();
    const list = new RecordList(textRecords('a', 'b'));
    while (list.next()) writer.add(list);
    const first = Buffer.from(writer.finish({ ...plain, producerId: 5n, producerEpoch: 1, baseSequence: 7 }));
    const second = writer.finish({ ...plain, producerId: 6n, producerEpoch: 2, baseSequence: 0 });
    expect(second.readBigInt64BE(batchLayout.producerId)).toBe(6n);
    expect(valuesOf(second)).toEqual(valuesOf(first));
    expect(() => {
      writer.reset();
      writer.finish(plain);
    }).toThrow('at least one record');
  });

  it('is not compressed where that would make it larger', () => {
    const small = batchOf(textRecords('x'), { header: { compression: 'gzip' } });
    expect(small.readInt16BE(batchLayout.attributes) & 7).toBe(compressionCode.none);
    const large = batchOf(textRecords('x'.repeat(1000)), { header: { compression: 'gzip' } });
    expect(large.readInt16BE(batchLayout.attributes) & 7).toBe(compressionCode.gzip);
    expect(large.length).toBeLessThan(200);
  });

  it('has whole milliseconds, and none beyond what a varint holds', () => {
    const record = { key: null, value: null, headers: undefined };
    const [read] = readAll(readerOf(batchOf([{ ...record, timestamp_ms: 1000.75 }])));
    expect(read?.timestamp_ms).toBe(1000);
    const writer = new RecordBatchWriter();
    const list = new RecordList([0, NaN, Infinity, -(2 ** 53)].map((timestamp_ms) => ({ ...record, timestamp_ms })));
    list.next();
    writer.add(list);
    while (list.next()) {
      expect(() => {
        writer.add(list);
      }).toThrow(RangeError);
    }
    expect(writer.count).toBe(1);
  });
});

describe('a response', () => {
  const one = batchOf(textRecords('a', 'b', 'c'), { offset: 10 });
  const two = batchOf(textRecords('d', 'e'), { offset: 2 ** 40 });

  it('of several batches is read to its end', () => {
    const reader = readerOf(Buffer.concat([one, two]));
    expect(reader.nextPosition).toBe(2 ** 40 + 2);
    expect(readAll(reader).map(({ position }) => position)).toEqual([10, 11, 12, 2 ** 40, 2 ** 40 + 1]);
    expect(reader.next()).toBe(false);
  });

  it('is read from a position within a batch', () => {
    expect(valuesOf(Buffer.concat([one, two]), { from: 12 })).toEqual(['c', 'd', 'e']);
    expect(valuesOf(Buffer.concat([one, two]), { from: 13 })).toEqual(['d', 'e']);
  });

  it('may end within a batch, anywhere', () => {
    for (let length = one.length; length < one.length + two.length; length++) {
      const reader = readerOf(Buffer.concat([one, two]).subarray(0, length));
      expect(reader.nextPosition).toBe(13);
      expect(readAll(reader).length).toBe(3);
    }
  });

  it('without a record leaves the position where it was', () => {
    const reader = readerOf(Buffer.alloc(0), { from: 7 });
    expect(reader.next()).toBe(false);
    expect(reader.nextPosition).toBe(7);
  });

  it('that holds no whole batch is an error: the same would come again', () => {
    const reader = readerOf(one.subarray(0, 40), { from: 10 });
    expect(() => reader.next()).toThrow('at offset 10: 40 bytes hold no whole record batch');
    expect(reader.next()).toBe(false);
  });

  it('counts what compaction has taken away at the end of a batch, and batches that it has emptied', () => {
    const shortened = batchOf(textRecords('a'), { offset: 5, lastOffset: 9 });
    const emptied = changed(batchOf(textRecords('b'), { offset: 10, lastOffset: 19 }), (bytes) => {
      bytes.writeInt32BE(0, batchLayout.count);
      return bytes.subarray(0, batchLayout.records);
    });
    const reader = readerOf(Buffer.concat([shortened, emptied]));
    expect(reader.nextPosition).toBe(20);
    expect(readAll(reader).length).toBe(1);
  });

  it('of a topic with log append time has the time of the batch', () => {
    const records = [1000, 3000, 2000].map((timestamp_ms) => ({ key: null, value: null, timestamp_ms }));
    const batch = changed(batchOf(records), (bytes) => {
      bytes.writeInt16BE(8, batchLayout.attributes);
      return undefined;
    });
    expect(readAll(readerOf(batch)).map(({ timestamp_ms }) => timestamp_ms)).toEqual([3000, 3000, 3000]);
  });

  it('keeps the bytes of its records apart: each stays as it is until the reader begins anew', () => {
    const compressed = ['a', 'b'].map((value, index) =>
      batchOf(textRecords(value.repeat(200)), { offset: index, header: { compression: 'gzip' } }),
    );
    const reader = readerOf(Buffer.concat(compressed));
    reader.next();
    const first = reader.bytes.subarray(reader.valueStart, reader.valueEnd);
    reader.next();
    expect(first.toString()).toBe('a'.repeat(200));
  });
});

describe('a reader', () => {
  it('can be used again, also after it has failed', () => {
    const batch = batchOf(textRecords('a', 'b'), { offset: 3 });
    const reader = new RecordBatchReader();
    reader.reset(changedByte(batch, 70), { from: 0, aborted: null });
    expect(() => reader.next()).toThrow();
    reader.reset(batch, { from: 4, aborted: [] });
    expect(readAll(reader).map(({ position }) => position)).toEqual([4]);
  });

  it('says where a checksum is wrong, and hands out nothing of what comes after', () => {
    const good = batchOf(textRecords('a'), { offset: 3 });
    const bad = changedByte(batchOf(textRecords('b'), { offset: 4 }), batchLayout.records + 5);
    const reader = readerOf(Buffer.concat([good, bad, good]));
    expect(reader.next()).toBe(true);
    expect(() => reader.next()).toThrow(
      expect.objectContaining({
        code: 'kafka-corrupt-batch',
        blame: 'failure',
        message: expect.stringContaining('corrupt at offset 4: the checksum of its record batch is wrong') as string,
      }) as Error,
    );
    expect(reader.next()).toBe(false);
  });

  it.each([0, 1])('refuses the message format of old brokers (magic %i)', (magic) => {
    const old = Buffer.alloc(40);
    old.writeBigInt64BE(77n, 0);
    old.writeInt32BE(28, batchLayout.length);
    old.writeInt8(magic, batchLayout.magic);
    expect(() => readerOf(old).next()).toThrow(
      expect.objectContaining({
        code: 'kafka-old-message-format',
        message: expect.stringMatching(/offset 77 .* before 0\.11/) as string,
      }) as Error,
    );
  });

  it('refuses a message format to come', () => {
    const batch = changed(batchOf(textRecords('a')), (bytes) => {
      bytes[batchLayout.magic] = 3;
      return undefined;
    });
    expect(() => readerOf(batch).next()).toThrow('message format (magic 3) is unknown');
  });

  it.each<[string, (bytes: Buffer) => Buffer | undefined]>([
    [
      'more records than there are',
      (bytes) => {
        set(bytes, batchLayout.count, 4);
      },
    ],
    [
      'fewer records than there are',
      (bytes) => {
        set(bytes, batchLayout.count, 2);
      },
    ],
    [
      'a number of records below zero',
      (bytes) => {
        set(bytes, batchLayout.count, -1);
      },
    ],
    [
      'offsets beyond its last one',
      (bytes) => {
        set(bytes, batchLayout.lastOffsetDelta, 1);
      },
    ],
    [
      'a record that is longer than it',
      (bytes) => {
        setByte(bytes, batchLayout.records, 0x7e);
      },
    ],
    [
      'a key that is longer than its record',
      (bytes) => {
        setByte(bytes, batchLayout.records + 4, 0x60);
      },
    ],
    [
      'a value that is longer than its record',
      (bytes) => {
        setByte(bytes, batchLayout.records + 5, 0x60);
      },
    ],
    ['no byte after its head', (bytes) => bytes.subarray(0, batchLayout.records)],
    ['a number that does not end', (bytes) => Buffer.concat([bytes.subarray(0, 62), Buffer.alloc(30, 0xff)])],
  ])('refuses a batch with %s', (_, change) => {
    const batch = changed(batchOf(textRecords('a', 'b', 'c'), { offset: 50 }), change);
    expect(() => readAll(readerOf(batch))).toThrow(
      expect.objectContaining({
        code: 'kafka-corrupt-batch',
        message: expect.stringMatching(/^topic data is corrupt at offset 50: /) as string,
      }) as Error,
    );
  });

  it('refuses headers that do not fit, when they are asked for', () => {
    const records = [{ key: null, value: null, timestamp_ms: 0, headers: ['name', 'value'] }];
    for (const [at, byte] of [
      [6, 4],
      [7, 60],
      [6, 3],
      [12, 4],
    ] as const) {
      const reader = readerOf(
        changed(batchOf(records), (bytes) => {
          setByte(bytes, batchLayout.records + at, byte);
        }),
      );
      expect(reader.next()).toBe(true);
      expect(() => reader.headers()).toThrow(expect.objectContaining({ code: 'kafka-corrupt-batch' }) as Error);
    }
  });

  it('goes on with the next record after headers were asked for, however often', () => {
    const headers = ['trace', 'ä7', 'empty', ''];
    const records = [1, 2, 3].map((timestamp_ms) => ({ key: null, value: Buffer.from('v'), timestamp_ms, headers }));
    const reader = readerOf(batchOf(records));
    for (const { timestamp_ms } of records) {
      expect(reader.next()).toBe(true);
      expect(reader.timestamp_ms).toBe(timestamp_ms);
      expect(reader.headers()).toEqual(headers);
      expect(reader.headers()).toEqual(headers);
    }
    expect(reader.next()).toBe(false);
  });
});

function set(bytes: Buffer, at: number, value: number): undefined {
  bytes.writeInt32BE(value, at);
}

function setByte(bytes: Buffer, at: number, value: number): undefined {
  bytes[at] = value;
}

/** Its checksum is wrong then. */
function changedByte(batch: Buffer, at: number): Buffer {
  const copy = Buffer.from(batch);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}
