// What the decompressors share: how they refuse, and the copy of earlier output that all of them are made of.
import type { Buffer } from 'node:buffer';

/** Compressed data that is not what it should be; the message says in what way. */
export class Malformed extends Error {}

/** It would make more than the limit. */
export class TooLarge extends Error {}

export function checkSize(size_bytes: number, limit_bytes: number): void {
  if (size_bytes > limit_bytes) throw new TooLarge();
}

/** A call to copy costs more than a short loop. */
const shortCopy_bytes = 32;

/** Copies `input[at, at + length)` to `output[out, ...)`; both ranges have been checked. */
export function copyLiteral(input: Buffer, at: number, output: Buffer, out: number, length: number): void {
  if (length > shortCopy_bytes) {
    input.copy(output, out, at, at + length);
    return;
  }
  for (let index = 0; index < length; index++) output[out + index] = input[at + index] as number;
}

/**
 * Repeats `length` bytes that lie `distance` before `out`, which may be the very bytes that it writes. Both ends have
 * been checked. @returns the end of what was written.
 */
export function copyMatch(output: Buffer, out: number, distance: number, length: number): number {
  const end = out + length;
  if (distance >= length && length > shortCopy_bytes) {
    output.copyWithin(out, out - distance, end - distance);
    return end;
  }
  for (let at = out; at < end; at++) output[at] = output[at - distance] as number;
  return end;
}
