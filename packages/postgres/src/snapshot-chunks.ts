// The bytes of a revision as rows (upload, seq, sha256, data), in PostgreSQL's binary COPY format: a header of 19
// bytes; per row a count of fields, and per field its length and bytes; a trailer of -1 for a count.
import { createHash } from 'node:crypto';
import { TandemError } from '@tandem/ports';

export interface Chunk {
  readonly seq: number;
  readonly sha256: Buffer;
  readonly data: Buffer;
}

/** Rows of this size are stored; a larger one is never asked for either. */
export const chunk_bytes = 1024 * 1024;
const largestRow_bytes = 4 * 1024 * 1024;

const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const header_bytes = signature.length + 8;
export const copyHeader = Buffer.concat([signature, Buffer.alloc(8)]);
export const copyTrailer = Buffer.from([0xff, 0xff]);

export function sha256(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}

/** What comes before `data` in its row. */
export function rowHead(upload: bigint, seq: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(2 + 12 + 8 + 36 + 4);
  let at = head.writeInt16BE(4, 0);
  at = head.writeInt32BE(8, at);
  at = head.writeBigInt64BE(upload, at);
  at = head.writeInt32BE(4, at);
  at = head.writeInt32BE(seq, at);
  at = head.writeInt32BE(32, at);
  at += sha256(data).copy(head, at);
  head.writeInt32BE(data.length, at);
  return head;
}

/** The same bytes in pieces of `chunk_bytes` (the last one shorter), copied: a producer may use its buffers again. */
export async function* regroup(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunk = Buffer.allocUnsafe(chunk_bytes);
  let filled = 0;
  for await (const piece of content) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + chunk.length - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < chunk.length) continue;
      yield chunk;
      chunk = Buffer.allocUnsafe(chunk_bytes);
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** Rows (seq, sha256, data) out of a binary COPY, as they arrive. @throws TandemError `snapshot-corrupt` for anything else. */
export async function* parseRows(copied: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk> {
  const input = new ByteReader(copied);
  const header = await input.take(header_bytes);
  if (!header.subarray(0, signature.length).equals(signature)) throw corrupt('not a binary COPY');
  await input.take(header.readInt32BE(header_bytes - 4));
  for (;;) {
    const fields = (await input.take(2)).readInt16BE();
    if (fields === -1) return;
    if (fields !== 3) throw corrupt(`a row of ${String(fields)} fields`);
    const seq = (await field(input)).readInt32BE();
    yield { seq, sha256: await field(input), data: await field(input) };
  }
}

async function field(input: ByteReader): Promise<Buffer> {
  const size_bytes = (await input.take(4)).readInt32BE();
  if (size_bytes < 0 || size_bytes > largestRow_bytes) throw corrupt(`a field of ${String(size_bytes)} bytes`);
  return input.take(size_bytes);
}

function corrupt(what: string): TandemError {
  return new TandemError('snapshot-corrupt', `the store gave something other than a revision: ${what}`);
}

/** Takes exact amounts from a stream of pieces of any size. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async take(size_bytes: number): Promise<Buffer> {
    const taken = Buffer.allocUnsafe(size_bytes);
    let filled = 0;
    while (filled < size_bytes) {
      if (this.#piece.length === 0) {
        const next = await this.#source.next();
        if (next.done === true) throw corrupt('the COPY ended early');
        this.#piece = next.value;
      }
      const part = this.#piece.subarray(0, size_bytes - filled);
      taken.set(part, filled);
      filled += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
    return taken;
  }
}
