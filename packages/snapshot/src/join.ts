// Puts a snapshot together: header, the parts of all lanes as they come, end; compressed piece by piece.
import { countFrames, encodeJson, frameType, makeFrame, type SnapshotEnd } from './frame.ts';
import type { SnapshotHeader } from './header.ts';

/** Pieces being compressed at the same time. */
const ahead = 4;

/**
 * The whole snapshot in order. `pieces` hold whole frames of the tasks. `compress` makes of each piece a member of
 * its own (gzip members one after another are a gzip file) and may keep the piece; up to four are under way at a time.
 */
export async function* joinSnapshot(
  header: SnapshotHeader,
  pieces: AsyncIterable<ArrayBuffer>,
  compress: (piece: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const underWay: Promise<Uint8Array>[] = [];
  let frames = 0;
  let tasks = 0;
  const start = (piece: Uint8Array<ArrayBuffer>): void => {
    const counts = countFrames(piece);
    frames += counts.frames;
    tasks += counts.tasks;
    const compressed = compress(piece);
    // Whoever waits for it sees the failure; nobody may be left if the reader has gone away.
    compressed.catch(() => undefined);
    underWay.push(compressed);
  };
  start(makeFrame(frameType.header, 0, encodeJson(header)));
  for await (const piece of pieces) {
    start(new Uint8Array(piece));
    while (underWay.length > ahead) yield await (underWay.shift() as Promise<Uint8Array>);
  }
  const end: SnapshotEnd = { tasks, frames };
  start(makeFrame(frameType.end, 0, encodeJson(end)));
  for (const compressed of underWay) yield await compressed;
}
