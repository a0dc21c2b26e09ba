// Hashes of our own, the same on every machine and version: of text, and of numbers for seeded randomness.

/** MurmurHash3's finaliser (Austin Appleby, public domain): every bit of the input moves every bit of the output. */
export function finish32(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** MurmurHash3's step for one 32-bit block. */
export function mix32(hash: number, block: number): number {
  let k = Math.imul(block, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Of every UTF-16 unit of the text; a signed 32-bit integer. */
export function hashText32(text: string, seed: number): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i += 1) h = mix32(h, text.charCodeAt(i));
  return finish32(h ^ text.length);
}

/** 16 hex digits. */
export function hashText64(text: string): string {
  return hex32(hashText32(text, 0x9747b28c)) + hex32(hashText32(text, 0x1f83d9ab));
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
