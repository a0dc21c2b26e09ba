// Long bodies: as fast as the client reads and no faster, and never cut short without the client noticing.
import type { Response } from 'express';

/** A client that takes nothing for this long loses its connection: an open snapshot holds memory. */
export const stallLimit_ms = 30_000;

export interface Download {
  readonly content: AsyncIterable<Uint8Array>;
  readonly fileName: string;
  readonly stallLimit_ms: number;
}

/**
 * Sends `content` as gzip data, in HTTP chunks: the last of them tells the client that it has everything. An error
 * before the first one is thrown, for an answer that says so; a later one ends the connection without the last.
 * @returns whether all of it was handed over.
 */
export async function sendDownload(response: Response, download: Download): Promise<boolean> {
  const chunks = download.content[Symbol.asyncIterator]();
  try {
    let next = await chunks.next();
    if (hasGone(response)) return false;
    response.attachment(download.fileName);
    response.setHeader('content-type', 'application/gzip');
    response.setTimeout(download.stallLimit_ms, () => {
      response.destroy();
    });
    response.flushHeaders();
    while (next.done !== true) {
      if (!response.write(next.value)) await writable(response);
      if (hasGone(response)) return false;
      next = await chunks.next();
    }
    // A client that went during the last chunk did not get the end either.
    if (hasGone(response)) return false;
    response.end();
    return true;
  } catch (error) {
    if (response.headersSent) response.destroy();
    throw error;
  } finally {
    // The source lets go of what it holds, whoever ended first.
    await chunks.return?.();
  }
}

function hasGone(response: Response): boolean {
  return response.destroyed;
}

/** The buffer has emptied, or the client has gone. */
function writable(response: Response): Promise<void> {
  if (hasGone(response)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
