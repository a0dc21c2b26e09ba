// Unpacks the gzip stream of a snapshot.
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TandemError, toError } from '@tandem/ports';
import { bufferSize_bytes } from '@tandem/snapshot';

/** An error of either side is thrown as one line. @throws TandemError `snapshot-truncated`, `snapshot-corrupt`. */
export async function* unpack(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const source = Readable.from(content, { objectMode: false });
  const unpacked = createGunzip({ chunkSize: bufferSize_bytes });
  source.on('error', (error) => unpacked.destroy(error));
  source.pipe(unpacked);
  try {
    for await (const piece of unpacked) yield piece as Uint8Array;
  } catch (thrown) {
    const error = toError(thrown) as NodeJS.ErrnoException;
    if (error.code === 'Z_BUF_ERROR')
      throw new TandemError('snapshot-truncated', 'snapshot is cut off: use another one', { cause: error });
    if (error.code?.startsWith('Z_') === true)
      throw new TandemError('snapshot-corrupt', 'snapshot is damaged: it cannot be unpacked', { cause: error });
    throw error;
  } finally {
    source.destroy();
    unpacked.destroy();
  }
}
