// Compressed batches: decompressed whole, never to more than a limit.
import type { Buffer } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { TandemError } from '@tandem/ports';
import {
  batchAttributes,
  batchLayout,
  batchSize_bytes,
  compressionCode,
  corruptBatch,
  currentMagic,
} from './batch-format.ts';
import { Malformed, TooLarge } from './decompression.ts';
import { decompressLz4 } from './lz4.ts';
import { decompressSnappy } from './snappy.ts';
import { decompressZstd, isZstdLoaded, loadZstd } from './zstd.ts';

/** A batch that would become larger is refused: brokers take 1 MiB unless told otherwise, compressed. */
export const decompressedLimit_bytes = 256 << 20;

/**
 * Loads what is needed to decompress these batches. To be awaited before a `RecordBatchReader` walks them; undefined
 * when everything is at hand, as nearly always. @throws TandemError `kafka-zstd-unavailable`.
 */
export function loadDecompressors(records: Buffer): Promise<void> | undefined {
  if (isZstdLoaded()) return undefined;
  for (let at = 0; at + batchLayout.records <= records.length;) {
    const isCurrent = records[at + batchLayout.magic] === currentMagic;
    const attributes = records.readInt16BE(at + batchLayout.attributes);
    if (isCurrent && (attributes & batchAttributes.compression) === compressionCode.zstd) return loadZstd();
    at += Math.max(batchSize_bytes(records, at) ?? 0, batchLayout.records);
  }
  return undefined;
}

/** The records of the batch at `offset`. @throws TandemError that tells why not. */
export function decompress(
  code: number,
  compressed: Buffer,
  offset: number,
  limit_bytes = decompressedLimit_bytes,
): Buffer {
  try {
    switch (code) {
      case compressionCode.gzip:
        return gunzipSync(compressed, { maxOutputLength: limit_bytes });
      case compressionCode.snappy:
        return decompressSnappy(compressed, limit_bytes);
      case compressionCode.lz4:
        return decompressLz4(compressed, limit_bytes);
      case compressionCode.zstd:
        return decompressZstd(compressed, limit_bytes);
      default:
        throw new Malformed(`its compression ${code} is unknown`);
    }
  } catch (thrown) {
    if (thrown instanceof TandemError) throw thrown;
    if (thrown instanceof Malformed) throw corruptBatch(offset, thrown.message, thrown);
    if (thrown instanceof TooLarge || (thrown as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      const text = `the record batch at offset ${offset} becomes more than ${limit_bytes >> 20} MiB when it is decompressed. Have its producer send smaller batches`;
      throw new TandemError('kafka-batch-too-large', text, { cause: thrown });
    }
    throw corruptBatch(offset, 'its compressed records cannot be decoded', thrown);
  }
}
