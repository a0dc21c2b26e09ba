// Compression beside the lanes.
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { gunzipSync } from 'node:zlib';
import { Compressor } from '../src/compressor.ts';

const piece = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));

/** Of every thread of this process, where the system tells: field 19 of stat, after the name in brackets. */
function niceness(): readonly number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('a compressor', () => {
  let compressor: Compressor;

  beforeEach(() => {
    compressor = new Compressor();
  });

  afterEach(async () => {
    await compressor.close();
  });

  it('makes a gzip member of each piece, in order', async () => {
    const texts = ['', 'a', 'b'.repeat(300_000), 'c'];
    const members = await Promise.all(texts.map((text) => compressor.compress(piece(text))));
    expect(members.map((member) => gunzipSync(member).toString())).toEqual(texts);
    expect(gunzipSync(Buffer.concat(members)).toString()).toBe(texts.join(''));
  });

  onLinux('leaves the processor to the other threads (Linux only: no other system can set that)', async () => {
    await compressor.compress(piece('a'.repeat(200_000)));
    expect(Math.max(...niceness())).toBe(Math.min(19, getPriority() + 10));
  });

  onLinux('starts no thread for a small snapshot (Linux only: it is known by its priority)', async () => {
    await Promise.all(['a', 'b'.repeat(100_000), 'c'].map((text) => compressor.compress(piece(text))));
    expect(Math.max(...niceness())).toBe(getPriority());
  });

  it('refuses what was asked of it, and what will be, when it is closed', async () => {
    const underWay = expect(compressor.compress(piece('a'.repeat(1_000_000)))).rejects.toMatchObject({
      code: 'compression-ended',
    });
    await compressor.close();
    await underWay;
    await expect(compressor.compress(piece('a'))).rejects.toMatchObject({ code: 'compression-ended' });
  });
});
