// Any records, for properties.
import fc from 'fast-check';
import type { TestRecord } from './batches.ts';

const bytes = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 200 }));

export const recordArbitrary: fc.Arbitrary<TestRecord> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestamp_ms: fc.oneof(
    fc.integer({ min: 1_759_999_999_000, max: 1_760_000_001_000 }),
    fc.integer({ min: 0, max: 8_640_000_000_000_00 }),
  ),
  headers: fc.option(
    fc
      .array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 9 }), fc.string({ unit: 'grapheme', maxLength: 9 })), {
        minLength: 1,
        maxLength: 4,
      })
      .map((pairs) => pairs.flat()),
    { nil: undefined, freq: 4 },
  ),
});

export const recordsArbitrary: fc.Arbitrary<TestRecord[]> = fc.array(recordArbitrary, { minLength: 1, maxLength: 40 });
