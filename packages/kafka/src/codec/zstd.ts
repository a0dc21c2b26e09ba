// Zstandard, decompression only: by Node where it can (22.15 and later), else by the reference decoder as WebAssembly,
// loaded when the first such batch is met. Format: RFC 8878
import { Buffer } from 'node:buffer';
import * as zlib from 'node:zlib';
import { TandemError } from '@tandem/ports';
import { checkSize, Malformed } from './decompression.ts';

type Decompress = (compressed: Buffer, limit_bytes: number) => Buffer;

type NativeDecompress = (compressed: Buffer, options: { readonly maxOutputLength: number }) => Buffer;

/** Not in the declarations of Node 20. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: NativeDecompress };

let decompressor = zstdDecompressSync && byNode(zstdDecompressSync);
let loading: Promise<void> | undefined;

export function isZstdLoaded(): boolean {
  return decompressor !== undefined;
}

/** @throws TandemError `kafka-zstd-unavailable`; may be tried again. */
export function loadZstd(): Promise<void> {
  loading ??= loadDecoder().catch((thrown: unknown) => {
    loading = undefined;
    const text =
      'records are compressed with zstd, and its decoder cannot be loaded. Install the package zstddec, or run Node 22.15 or later';
    throw new TandemError('kafka-zstd-unavailable', text, { cause: thrown });
  });
  return loading;
}

/** @throws Malformed, TooLarge; what Node throws; TandemError `kafka-zstd-unavailable` before it is loaded. */
export function decompressZstd(compressed: Buffer, limit_bytes: number): Buffer {
  if (decompressor === undefined) {
    throw new TandemError('kafka-zstd-unavailable', 'records are compressed with zstd, and its decoder is not loaded');
  }
  return decompressor(compressed, limit_bytes);
}

/** Frame by frame: Node stops after the first one. */
function byNode(decompressFrame: NativeDecompress): Decompress {
  return (compressed, limit_bytes) => {
    let left_bytes = limit_bytes;
    const parts = framesOf(compressed, limit_bytes).map(({ start, end }) => {
      // A limit of 0 would be none.
      const part = decompressFrame(compressed.subarray(start, end), { maxOutputLength: Math.max(left_bytes, 1) });
      left_bytes -= part.length;
      checkSize(0, left_bytes);
      return part;
    });
    const [first] = parts;
    if (first === undefined) throw endsEarly();
    return parts.length === 1 ? first : Buffer.concat(parts);
  };
}

async function loadDecoder(): Promise<void> {
  const { ZSTDDecoder } = await import('zstddec');
  const decoder = new ZSTDDecoder();
  await decoder.init();
  decompressor = (compressed, limit_bytes) => {
    const most_bytes = framesOf(compressed, limit_bytes).reduce((sum, frame) => sum + frame.most_bytes, 0);
    const made = most_bytes === 0 ? undefined : decoder.decode(compressed, most_bytes);
    // It answers an error with an empty array; a batch with records is never empty.
    if (made === undefined || made.length === 0) throw new Malformed('the zstd data cannot be decoded');
    return Buffer.from(made.buffer, made.byteOffset, made.length);
  };
}

interface Frame {
  readonly start: number;
  readonly end: number;
  /** It makes no more than this. */
  readonly most_bytes: number;
}

const frameMagic = 0xfd2fb528;
/** The lowest four bits are free. */
const skippableMagic = 0x184d2a50;
const blockLimit_bytes = 128 << 10;

/** The frames, and what they make at most by the heads of their blocks: producers need not say what they compressed. */
function framesOf(input: Buffer, limit_bytes: number): Frame[] {
  const frames: Frame[] = [];
  let most_bytes = 0;
  for (let at = 0; at < input.length;) {
    const magic = readUInt(input, at, 4);
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + readUInt(input, at + 4, 4);
      if (at > input.length) throw endsEarly();
      continue;
    }
    if (magic !== frameMagic) throw new Malformed('it is no zstd frame');
    const frame = readFrame(input, at);
    most_bytes += frame.most_bytes;
    checkSize(most_bytes, limit_bytes);
    frames.push(frame);
    at = frame.end;
  }
  return frames;
}

function readFrame(input: Buffer, start: number): Frame {
  const descriptor = readUInt(input, start + 4, 1);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdSize = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSizeSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  let at = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryIdSize + contentSizeSize;
  let most_bytes = 0;
  for (let isLast = false; !isLast;) {
    const head = readUInt(input, at, 3);
    isLast = (head & 1) !== 0;
    const kind = (head >>> 1) & 3;
    const size = head >>> 3;
    // 0: stored, 1: one byte repeated, 2: compressed.
    if (kind === 3) throw new Malformed('a zstd block is of an unknown kind');
    at += 3 + (kind === 1 ? 1 : size);
    most_bytes += kind === 2 ? blockLimit_bytes : size;
  }
  if ((descriptor & 4) !== 0) at += 4;
  if (at > input.length) throw endsEarly();
  return { start, end: at, most_bytes };
}

function readUInt(input: Buffer, at: number, width: number): number {
  if (at + width > input.length) throw endsEarly();
  return input.readUIntLE(at, width);
}

function endsEarly(): Malformed {
  return new Malformed('the zstd data ends early');
}
