// Snappy, decompression only: one block, or several in the framing of xerial's snappy-java, which Kafka's Java client
// writes. Format: github.com/google/snappy/blob/main/format_description.txt
import { Buffer } from 'node:buffer';
import { copyBytes, copyMatch } from './copy.ts';
import { checkSize, Malformed } from './decompression.ts';

/** What framed data begins with; two version numbers of four bytes each follow. */
const framing = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const framingHead_bytes = 16;
/** No two or three bytes make more than a copy of 64: what says it does is not believed. */
const mostExpansion = 32;

/** @throws Malformed, TooLarge */
export function decompressSnappy(compressed: Buffer, limit_bytes: number): Buffer {
  if (!compressed.subarray(0, framing.length).equals(framing)) {
    const size = blockSize(compressed, 0, compressed.length, limit_bytes);
    const output = Buffer.allocUnsafeSlow(size.value);
    decodeBlock(compressed, size.end, compressed.length, output, 0, size.value);
    return output;
  }
  let total = 0;
  forEachFrame(compressed, (start, end) => {
    total += blockSize(compressed, start, end, limit_bytes).value;
    checkSize(total, limit_bytes);
  });
  const output = Buffer.allocUnsafeSlow(total);
  let out = 0;
  forEachFrame(compressed, (start, end) => {
    const size = blockSize(compressed, start, end, limit_bytes);
    decodeBlock(compressed, size.end, end, output, out, out + size.value);
    out += size.value;
  });
  return output;
}

function forEachFrame(compressed: Buffer, visit: (start: number, end: number) => void): void {
  for (let at = framingHead_bytes; at < compressed.length;) {
    if (at + 4 > compressed.length) throw new Malformed('snappy data ends within a frame');
    const end = at + 4 + compressed.readUInt32BE(at);
    if (end > compressed.length) throw new Malformed('snappy data ends within a frame');
    visit(at + 4, end);
    at = end;
  }
}

/** The decompressed size that a block begins with, and where that number ends. */
function blockSize(input: Buffer, start: number, end: number, limit_bytes: number): { value: number; end: number } {
  let value = 0;
  let at = start;
  for (let factor = 1; ; factor *= 128) {
    if (at >= end || at - start > 4) throw new Malformed('a snappy block has no size');
    const byte = input[at++] as number;
    value += (byte & 0x7f) * factor;
    if (byte < 128) break;
  }
  checkSize(value, limit_bytes);
  if (value > (end - start) * mostExpansion) throw new Malformed('a snappy block is shorter than its size can be');
  return { value, end: at };
}

/** Decodes `input[at, end)` to exactly `output[start, outputEnd)`. */
function decodeBlock(input: Buffer, at: number, end: number, output: Buffer, start: number, outputEnd: number): void {
  let out = start;
  while (at < end) {
    const tag = input[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const width = length - 60;
        if (at + width > end) throw new Malformed('a snappy block ends within a literal');
        length = input.readUIntLE(at, width) + 1;
        at += width;
      }
      if (at + length > end || out + length > outputEnd) throw new Malformed('a snappy literal is too long');
      copyBytes(input, at, output, out, length);
      at += length;
      out += length;
      continue;
    }
    const width = kind === 1 ? 1 : kind === 2 ? 2 : 4;
    if (at + width > end) throw new Malformed('a snappy block ends within a copy');
    let length: number;
    let distance: number;
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4;
      distance = ((tag >>> 5) << 8) | (input[at] as number);
    } else {
      length = (tag >>> 2) + 1;
      distance = width === 2 ? (input[at] as number) | ((input[at + 1] as number) << 8) : input.readUInt32LE(at);
    }
    at += width;
    if (distance === 0 || distance > out - start) throw new Malformed('a snappy copy reaches before its block');
    if (out + length > outputEnd) throw new Malformed('a snappy copy is too long');
    out = copyMatch(output, out, distance, length);
  }
  if (out !== outputEnd) throw new Malformed('a snappy block is shorter than its size');
}
