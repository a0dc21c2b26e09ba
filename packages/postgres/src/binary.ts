// One-dimensional arrays in PostgreSQL's binary form, filled in place and reused: what makes unnest() of thousands of
// values quick. A Buffer as a parameter is sent as binary by pg. Format: array_recv in PostgreSQL's arrayfuncs.c.
import { Buffer } from 'node:buffer';

/** Type numbers of the elements (pg_type.oid). */
export const elementType = { bytea: 17, int4: 23, text: 25, json: 114, timestamptz: 1184 } as const;

const header_bytes = 20;
const kept_bytes = 4 << 20;
/** 2000-01-01 in ms since 1970: where PostgreSQL's timestamps begin. */
export const postgresEpoch_ms = 946_684_800_000;

export class BinaryArray {
  readonly #elementType: number;
  #bytes: Buffer;
  #end = header_bytes;
  #count = 0;
  #hasNull = false;

  constructor(element: keyof typeof elementType, initial_bytes = 4096) {
    this.#elementType = elementType[element];
    this.#bytes = Buffer.allocUnsafeSlow(initial_bytes);
  }

  get count(): number {
    return this.#count;
  }

  get size_bytes(): number {
    return this.#end;
  }

  addNull(): void {
    this.#reserve(4);
    this.#int32(-1);
    this.#hasNull = true;
    this.#count++;
  }

  addInt32(value: number): void {
    this.#reserve(8);
    this.#int32(4);
    this.#int32(value);
    this.#count++;
  }

  /** @throws RangeError for anything that is not a finite number of ms. */
  addTimestamp(time_ms: number): void {
    const microseconds = Math.round((time_ms - postgresEpoch_ms) * 1000);
    if (!Number.isFinite(microseconds)) throw new RangeError(`not a time in ms: ${String(time_ms)}`);
    this.#reserve(12);
    this.#int32(8);
    const high = Math.floor(microseconds / 4_294_967_296);
    this.#int32(high);
    this.#int32(microseconds - high * 4_294_967_296);
    this.#count++;
  }

  /** Text is stored as UTF-8. */
  addText(text: string): void {
    // A UTF-16 unit takes at most three bytes.
    this.#reserve(4 + text.length * 3);
    const written = this.#bytes.write(text, this.#end + 4, 'utf8');
    this.#int32(written);
    this.#end += written;
    this.#count++;
  }

  addBytes(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    this.#reserve(4 + length);
    this.#int32(length);
    if (length > 0) this.#bytes.set(source.subarray(start, end), this.#end);
    this.#end += length;
    this.#count++;
  }

  /** The array as a parameter; valid until the next `add` or `reset`. */
  parameter(): Buffer {
    const bytes = this.#bytes;
    bytes.writeInt32BE(1, 0);
    bytes.writeInt32BE(this.#hasNull ? 1 : 0, 4);
    bytes.writeInt32BE(this.#elementType, 8);
    bytes.writeInt32BE(this.#count, 12);
    bytes.writeInt32BE(1, 16);
    return bytes.subarray(0, this.#end);
  }

  reset(): void {
    if (this.#bytes.length > kept_bytes) this.#bytes = Buffer.allocUnsafeSlow(kept_bytes);
    this.#end = header_bytes;
    this.#count = 0;
    this.#hasNull = false;
  }

  #reserve(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#end + length));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }

  #int32(value: number): void {
    const bytes = this.#bytes;
    const at = this.#end;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.#end = at + 4;
  }
}
