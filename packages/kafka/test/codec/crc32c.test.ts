// The checksum of batches, and that our own is the same as the machine's.
import fc from 'fast-check';
import { crc32c, javascriptCrc32c } from '../../src/codec/crc32c.ts';

describe.each([
  ['in JavaScript', javascriptCrc32c],
  ['the quickest there is', crc32c],
])('CRC-32C, %s', (_, checksum) => {
  // RFC 3720, B.4, and the usual check value.
  it.each([
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (__, index) => index)), 0x46dd794e],
    [Buffer.from(Array.from({ length: 32 }, (__, index) => 31 - index)), 0x113fdb5c],
    [Buffer.from('123456789'), 0xe3069283],
    [Buffer.alloc(0), 0],
  ])('is what it should be', (bytes, expected) => {
    expect(checksum(bytes, 0, bytes.length)).toBe(expected);
  });
});

it('is the same whoever makes it, over any range', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(300), (array, a, b) => {
      const bytes = Buffer.from(array);
      const start = Math.min(a, b, bytes.length);
      const end = Math.min(Math.max(a, b), bytes.length);
      expect(javascriptCrc32c(bytes, start, end)).toBe(crc32c(bytes, start, end));
    }),
  );
});
