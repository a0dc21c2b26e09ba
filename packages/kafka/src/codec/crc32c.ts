// CRC-32C (Castagnoli), the checksum of record batches: native where there is a binary for this machine, else our own.
import type { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';

type Crc32c = (bytes: Buffer, start: number, end: number) => number;

let quickest: { readonly crc32c: Crc32c; readonly isNative: boolean } | undefined;

/** Checksum of `bytes[start, end)`. */
export function crc32c(bytes: Buffer, start: number, end: number): number {
  return (quickest ??= findQuickest()).crc32c(bytes, start, end);
}

/** Whether checksums are made by machine code here: some fifty times as quick. */
export function isCrc32cNative(): boolean {
  return (quickest ??= findQuickest()).isNative;
}

function findQuickest(): typeof quickest & object {
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c(bytes: Buffer): number };
    return { crc32c: (bytes, start, end) => native.crc32c(bytes.subarray(start, end)), isNative: true };
  } catch {
    return { crc32c: javascriptCrc32c, isNative: false };
  }
}

const polynomial = 0x82f63b78;
let sliced: readonly Int32Array[] | undefined;

/** Eight bytes at a time ("slicing by 8", M. Kounavis and F. Berry, 2005). */
export function javascriptCrc32c(bytes: Buffer, start: number, end: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = (sliced ??= makeTables()) as TableOf8;
  let crc = -1;
  let at = start;
  for (const stop = end - 7; at < stop; at += 8) {
    const low = crc ^ bytes.readInt32LE(at);
    const high = bytes.readInt32LE(at + 4);
    crc =
      entry(t7, low) ^
      entry(t6, low >>> 8) ^
      entry(t5, low >>> 16) ^
      entry(t4, low >>> 24) ^
      entry(t3, high) ^
      entry(t2, high >>> 8) ^
      entry(t1, high >>> 16) ^
      entry(t0, high >>> 24);
  }
  for (; at < end; at++) crc = entry(t0, crc ^ (bytes[at] as number)) ^ (crc >>> 8);
  return ~crc >>> 0;
}

type Table = Int32Array;
type TableOf8 = [Table, Table, Table, Table, Table, Table, Table, Table];

function entry(table: Table, index: number): number {
  return table[index & 0xff] as number;
}

/** The first is the usual table for one byte; each one after it moves the byte eight zero bits on. */
function makeTables(): readonly Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    return crc;
  });
  const tables = [first];
  for (let last = first; tables.length < 8; tables.push(last)) {
    last = last.map((crc) => entry(first, crc) ^ (crc >>> 8));
  }
  return tables;
}
