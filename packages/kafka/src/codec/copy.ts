// Copies of short ranges, of which record batches and compressed data are full.
import type { Buffer } from 'node:buffer';

/** Below it a loop is quicker than a call to copy, which takes some 50 ns whatever it copies. */
const shortCopy_bytes = 48;

/** Copies `input[at, at + length)` to `output[out, ...)`; both ranges have been checked. */
export function copyBytes(input: Buffer, at: number, output: Buffer, out: number, length: number): void {
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
