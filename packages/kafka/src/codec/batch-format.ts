// How a record batch of magic 2 lies in memory (Kafka's message format since 0.11), and what is wrong with one that does not.
import type { Buffer } from 'node:buffer';
import { TandemError } from '@tandem/ports';

/** Where the fields of a batch begin, big-endian. The checksum covers everything from the attributes on. */
export const batchLayout = {
  baseOffset: 0, // i64
  length: 8, // i32, of everything after it
  leaderEpoch: 12, // i32
  magic: 16, // i8
  checksum: 17, // u32, CRC-32C
  attributes: 21, // i16
  lastOffsetDelta: 23, // i32
  baseTimestamp: 27, // i64
  maxTimestamp: 35, // i64
  producerId: 43, // i64
  producerEpoch: 51, // i16
  baseSequence: 53, // i32
  count: 57, // i32
  records: 61,
} as const;

/** What comes before the part of a batch that its length counts. */
export const lengthEnd = batchLayout.leaderEpoch;

export const currentMagic = 2;

export const batchAttributes = { compression: 7, appendTime: 8, transactional: 16, control: 32 } as const;

/** The compression bits of the attributes. */
export const compressionCode = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** A 64-bit integer as a number: exact up to 2^53. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
}

export function writeInt64(bytes: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 4_294_967_296);
  bytes.writeInt32BE(high, at);
  bytes.writeUInt32BE(value - high * 4_294_967_296, at + 4);
}

/** The batch at `at` as the broker counts it, head included; undefined where its head has not arrived whole. */
export function batchSize_bytes(records: Buffer, at: number): number | undefined {
  return at + batchLayout.checksum > records.length
    ? undefined
    : lengthEnd + records.readInt32BE(at + batchLayout.length);
}

/** Offset after the batch at `at`, also where compaction has taken its last records away. */
export function batchEndOffset(records: Buffer, at: number): number {
  return readInt64(records, at + batchLayout.baseOffset) + records.readInt32BE(at + batchLayout.lastOffsetDelta) + 1;
}

/** Whoever knows topic and partition puts them before the message. */
export function corruptBatch(offset: number, reason: string, cause?: unknown): TandemError {
  const text = `topic data is corrupt at offset ${offset}: ${reason}. Look at it with kafka-dump-log, and at the broker's disks`;
  return new TandemError('kafka-corrupt-batch', text, { cause });
}
