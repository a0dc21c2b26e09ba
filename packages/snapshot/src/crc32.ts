// CRC-32 (the one of gzip and zlib), eight bytes at a time by sliced tables: see "A Systematic Approach to Building
// High Performance Software-based CRC Generators", Kounavis and Berry, 2005.

const tables: readonly Uint32Array[] = makeTables();

function makeTables(): readonly Uint32Array[] {
  const made = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (const table of made) {
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
      table[byte] = crc >>> 0;
    }
  }
  return made;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as unknown as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/** Reading a typed array inside its bounds, as the number it is. */
function at(table: Uint32Array | Uint8Array, index: number): number {
  return table[index] as number;
}

/** Checksum of `bytes[start, end)`; `previous` is the checksum of what came before. */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  let crc = ~previous;
  let index = start;
  for (const whole = end - 7; index < whole; index += 8) {
    crc ^= at(bytes, index) | (at(bytes, index + 1) << 8) | (at(bytes, index + 2) << 16) | (at(bytes, index + 3) << 24);
    crc =
      at(t7, crc & 255) ^
      at(t6, (crc >>> 8) & 255) ^
      at(t5, (crc >>> 16) & 255) ^
      at(t4, crc >>> 24) ^
      at(t3, at(bytes, index + 4)) ^
      at(t2, at(bytes, index + 5)) ^
      at(t1, at(bytes, index + 6)) ^
      at(t0, at(bytes, index + 7));
  }
  for (; index < end; index++) crc = at(t0, (crc ^ at(bytes, index)) & 255) ^ (crc >>> 8);
  return ~crc >>> 0;
}
