import fc from 'fast-check';
import { chunk_bytes, copyHeader, copyTrailer, parseRows, regroup, rowHead } from '../src/snapshot-chunks.ts';

async function* pieces(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of all) yield await Promise.resolve(piece);
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
}

/** What `COPY (SELECT seq, sha256, data ...)` gives: the row as written, without its first field. */
function row(seq: number, data: Uint8Array): Buffer {
  const head = rowHead(7n, seq, data);
  return Buffer.concat([Buffer.from([0, 3]), head.subarray(14), data]);
}

describe('chunks of a snapshot', () => {
  it('come out of a COPY as they went in, wherever the network cuts it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 97 }),
        async (chunks, cut_bytes) => {
          const copied = Buffer.concat([copyHeader, ...chunks.map((data, seq) => row(seq, data)), copyTrailer]);
          const cut: Buffer[] = [];
          for (let at = 0; at < copied.length; at += cut_bytes) cut.push(copied.subarray(at, at + cut_bytes));
          const parsed = await collect(parseRows(pieces(cut)));
          expect(parsed.map((each) => [each.seq, [...each.data]])).toEqual(chunks.map((data, seq) => [seq, [...data]]));
        },
      ),
    );
  });

  it('are all of the largest size but the last, with the same bytes in the same order', async () => {
    const sizes = [1, chunk_bytes - 1, 3, 2 * chunk_bytes + 5, 0, 10];
    const content = sizes.map((size_bytes, index) => Buffer.alloc(size_bytes, index + 1));
    const chunks = await collect(regroup(pieces(content)));
    expect(chunks.map((each) => each.length)).toEqual([chunk_bytes, chunk_bytes, chunk_bytes, 18]);
    expect(Buffer.concat(chunks).equals(Buffer.concat(content))).toBe(true);
  });

  it('are refused when the COPY ends early, is something else, or claims a field that is too large', async () => {
    const whole = Buffer.concat([copyHeader, row(0, Buffer.from('data'))]);
    const tooLarge = Buffer.from(whole);
    tooLarge.writeInt32BE(5 * 1024 * 1024, copyHeader.length + 2 + 8 + 36);
    for (const bytes of [whole.subarray(0, -1), whole, Buffer.from('HTTP/1.1 400 Bad Request'), tooLarge]) {
      await expect(collect(parseRows(pieces([bytes])))).rejects.toMatchObject({ code: 'snapshot-corrupt' });
    }
  });
});
