// Which partition a record with a key belongs to: Kafka's default (murmur2), so that all logs agree on it.

const seed = 0x9747b28c;
const m = 0x5bd1e995;

/** MurmurHash2, 32 bits, as in Kafka's `Utils.murmur2`, over `bytes[start, end)`. The result is signed. */
export function murmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const length = end - start;
  let hash = seed ^ length;
  let at = start;
  for (const stop = start + (length & ~3); at < stop; at += 4) {
    let word = byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24);
    word = Math.imul(word, m);
    word ^= word >>> 24;
    hash = Math.imul(hash, m) ^ Math.imul(word, m);
  }
  const rest = end - at;
  if (rest > 0) {
    if (rest === 3) hash ^= byte(bytes, at + 2) << 16;
    if (rest >= 2) hash ^= byte(bytes, at + 1) << 8;
    hash = Math.imul(hash ^ byte(bytes, at), m);
  }
  hash = Math.imul(hash ^ (hash >>> 13), m);
  return hash ^ (hash >>> 15);
}

/** The partition, 0 to `partitions` - 1, of the key in `bytes[start, end)`. Records without a key have none: the caller chooses. */
export function partitionOf(bytes: Uint8Array, start: number, end: number, partitions: number): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions;
}

function byte(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
