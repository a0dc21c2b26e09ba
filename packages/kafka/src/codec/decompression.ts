// How the decompressors refuse.

/** Compressed data that is not what it should be; the message says in what way. */
export class Malformed extends Error {}

/** It would make more than the limit. */
export class TooLarge extends Error {}

export function checkSize(size_bytes: number, limit_bytes: number): void {
  if (size_bytes > limit_bytes) throw new TooLarge();
}
