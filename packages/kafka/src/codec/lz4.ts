// LZ4 frames, decompression only. Their own checksums (xxHash) are passed over: the batch's checksum covers the same
// bytes. Format: github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md
import { Buffer } from 'node:buffer';
import { copyBytes, copyMatch } from './copy.ts';
import { checkSize, Malformed } from './decompression.ts';

const frameMagic = 0x184d2204;
/** The lowest four bits are free. */
const skippableMagic = 0x184d2a50;
const flags = { version: 0xc0, blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 };
const isStored = 0x80000000;
/** A byte of a block makes at most 255 bytes. */
const mostExpansion = 255;

/** Where frames are decoded, as their size is only known then; one that had to grow beyond 4 MiB is not kept. */
let scratch: Buffer = Buffer.alloc(0);
const keptScratch_bytes = 4 << 20;

interface Block {
  readonly start: number;
  readonly end: number;
  readonly isStored: boolean;
  /** It makes no more than this. */
  readonly most_bytes: number;
  /** Copies do not reach before the frame. */
  readonly isFirst: boolean;
}

/** @throws Malformed, TooLarge */
export function decompressLz4(compressed: Buffer, limit_bytes: number): Buffer {
  let most_bytes = 0;
  const blocks: Block[] = [];
  readBlocks(compressed, (block) => {
    most_bytes += block.most_bytes;
    checkSize(most_bytes, limit_bytes);
    blocks.push(block);
  });
  const output = most_bytes <= scratch.length ? scratch : Buffer.allocUnsafeSlow(most_bytes);
  if (output.length <= keptScratch_bytes) scratch = output;
  let out = 0;
  let frameStart = 0;
  for (const block of blocks) {
    if (block.isFirst) frameStart = out;
    out = block.isStored
      ? out + compressed.copy(output, out, block.start, block.end)
      : decodeBlock(compressed, block, output, out, frameStart);
  }
  return Buffer.from(output.subarray(0, out));
}

function readBlocks(input: Buffer, visit: (block: Block) => void): void {
  for (let at = 0; at < input.length;) {
    const magic = readUInt32(input, at);
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + readUInt32(input, at + 4);
      if (at > input.length) throw endsEarly();
      continue;
    }
    if (magic !== frameMagic) throw new Malformed('it is no LZ4 frame');
    at = readFrame(input, at + 4, visit);
  }
}

/** @returns where the frame ends. */
function readFrame(input: Buffer, start: number, visit: (block: Block) => void): number {
  if (start + 3 > input.length) throw endsEarly();
  const flag = input[start] as number;
  if ((flag & flags.version) !== 0x40) throw new Malformed('the LZ4 frame is of an unknown version');
  if ((flag & flags.dictionary) !== 0) throw new Malformed('the LZ4 frame needs a dictionary');
  const sizeCode = ((input[start + 1] as number) >>> 4) & 7;
  if (sizeCode < 4) throw new Malformed('the LZ4 frame has an unknown block size');
  const block_bytes = 1 << (8 + 2 * sizeCode);
  // Flags, block size, then what they say is there, and a checksum of one byte.
  let at = start + 2 + ((flag & flags.contentSize) !== 0 ? 8 : 0) + 1;
  for (let isFirst = true; ; isFirst = false) {
    const head = readUInt32(input, at);
    at += 4;
    if (head === 0) break;
    const end = at + (head & ~isStored);
    if (end > input.length) throw endsEarly();
    const stored = (head & isStored) !== 0;
    const most_bytes = stored ? end - at : Math.min(block_bytes, (end - at) * mostExpansion);
    visit({ start: at, end, isStored: stored, most_bytes, isFirst });
    at = end + ((flag & flags.blockChecksum) !== 0 ? 4 : 0);
  }
  const end = at + ((flag & flags.contentChecksum) !== 0 ? 4 : 0);
  if (end > input.length) throw endsEarly();
  return end;
}

/** @returns where what it made ends in `output`. */
function decodeBlock(input: Buffer, block: Block, output: Buffer, start: number, frameStart: number): number {
  const { end } = block;
  const outputEnd = start + block.most_bytes;
  let at = block.start;
  let out = start;
  while (at < end) {
    const token = input[at++] as number;
    let length = token >>> 4;
    if (length === 15) {
      for (let byte = 255; byte === 255; length += byte) {
        if (at >= end) throw endsEarly();
        byte = input[at++] as number;
      }
    }
    if (at + length > end || out + length > outputEnd) throw new Malformed('an LZ4 literal is too long');
    copyBytes(input, at, output, out, length);
    at += length;
    out += length;
    // The last sequence of a block is a literal only.
    if (at === end) return out;
    if (at + 2 > end) throw endsEarly();
    const distance = (input[at] as number) | ((input[at + 1] as number) << 8);
    at += 2;
    length = token & 15;
    if (length === 15) {
      for (let byte = 255; byte === 255; length += byte) {
        if (at >= end) throw endsEarly();
        byte = input[at++] as number;
      }
    }
    length += 4;
    if (distance === 0 || distance > out - frameStart) throw new Malformed('an LZ4 copy reaches before its frame');
    if (out + length > outputEnd) throw new Malformed('an LZ4 copy is too long');
    out = copyMatch(output, out, distance, length);
  }
  return out;
}

function readUInt32(input: Buffer, at: number): number {
  if (at + 4 > input.length) throw endsEarly();
  return input.readUInt32LE(at);
}

function endsEarly(): Malformed {
  return new Malformed('the LZ4 data ends early');
}
