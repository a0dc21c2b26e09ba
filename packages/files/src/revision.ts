// One revision on disk: a folder with its bytes as they are (`snapshot.gz`) and what there is to say of them
// (`revision.json`), with checksums of both.
import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { asEpoch } from '@tandem/pair';
import { TandemError, type RevisionInfo } from '@tandem/ports';
import { z } from 'zod';
import { codeOf, writeAll, writeNewFile } from './durable.ts';

/** Checked, and handed out, in pieces of this size; the last one may be shorter. */
export const chunk_bytes = 1024 * 1024;

const contentFile = 'snapshot.gz';
const aboutFile = 'revision.json';

const aboutSchema = z.object({
  format: z.literal(1),
  app: z.string(),
  appVersion: z.int(),
  topologyHash: z.string(),
  epoch: z.int().min(1),
  positions: z.record(z.string(), z.string()),
  size_bytes: z.int().min(0),
  createdAt_ms: z.number(),
  chunk_bytes: z.literal(chunk_bytes),
  /** Of each piece, SHA-256. */
  chunks: z.array(z.string()),
});

type About = z.infer<typeof aboutSchema>;

export interface WrittenContent {
  readonly size_bytes: number;
  readonly chunks: readonly string[];
}

export interface Revision {
  readonly info: RevisionInfo;
  readonly chunks: readonly string[];
}

/** Durable but for the file's name. `check` is called before each piece and may throw. */
export async function writeContent(
  folder: string,
  content: AsyncIterable<Uint8Array>,
  check: () => void,
): Promise<WrittenContent> {
  const chunks: string[] = [];
  let size_bytes = 0;
  await writeNewFile(path.join(folder, contentFile), async (handle) => {
    let hash = createHash('sha256');
    let filled = 0;
    for await (const piece of content) {
      check();
      for (let at = 0; at < piece.length;) {
        const part = piece.subarray(at, at + chunk_bytes - filled);
        hash.update(part);
        filled += part.length;
        at += part.length;
        if (filled < chunk_bytes) continue;
        chunks.push(hash.digest('hex'));
        hash = createHash('sha256');
        filled = 0;
      }
      await writeAll(handle, piece);
      size_bytes += piece.length;
    }
    if (filled > 0) chunks.push(hash.digest('hex'));
  });
  return { size_bytes, chunks };
}

/** Durable but for the file's name. */
export async function writeAbout(
  folder: string,
  info: Omit<RevisionInfo, 'revision'>,
  { chunks }: WrittenContent,
): Promise<void> {
  const about: About = { format: 1, ...info, positions: { ...info.positions }, chunk_bytes, chunks: [...chunks] };
  const whole = { sha256: sha256(JSON.stringify(about)), about };
  await writeNewFile(path.join(folder, aboutFile), (handle) =>
    writeAll(handle, Buffer.from(`${JSON.stringify(whole, undefined, 1)}\n`)),
  );
}

/** Undefined when it is not there (any more), `damaged` when it is not as it was written. */
export async function readAbout(folder: string, revision: number): Promise<Revision | 'damaged' | undefined> {
  let text: string;
  try {
    text = await readFile(path.join(folder, aboutFile), 'utf8');
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
  try {
    const whole = JSON.parse(text) as { readonly sha256?: unknown; readonly about?: unknown };
    if (sha256(JSON.stringify(whole.about)) !== whole.sha256) return 'damaged';
    const { app, appVersion, topologyHash, epoch, positions, size_bytes, createdAt_ms, chunks } = aboutSchema.parse(
      whole.about,
    );
    const head = { app, appVersion, topologyHash, epoch: asEpoch(epoch) };
    return { info: { ...head, revision, positions, size_bytes, createdAt_ms }, chunks };
  } catch {
    return 'damaged';
  }
}

/** Every piece is checked before it is handed out. @throws TandemError `snapshot-corrupt`. */
export async function* readContent(folder: string, { info, chunks }: Revision): AsyncGenerator<Uint8Array> {
  const damaged = (what: string): TandemError =>
    new TandemError(
      'snapshot-corrupt',
      `revision ${String(info.revision)} of app '${info.app}' in ${folder} is damaged: ${what}. Use another revision`,
    );
  const handle = await open(path.join(folder, contentFile), 'r');
  try {
    const { size } = await handle.stat();
    if (size !== info.size_bytes) throw damaged(`${String(size)} bytes, not ${String(info.size_bytes)}`);
    for (const [index, expected] of chunks.entries()) {
      const chunk = Buffer.allocUnsafe(Math.min(chunk_bytes, size - index * chunk_bytes));
      for (let at = 0; at < chunk.length;) {
        const { bytesRead } = await handle.read(chunk, at, chunk.length - at);
        if (bytesRead === 0) throw damaged('it ends early');
        at += bytesRead;
      }
      if (sha256(chunk) !== expected) throw damaged(`chunk ${String(index)} fails its checksum`);
      yield chunk;
    }
  } finally {
    await handle.close();
  }
}

function sha256(of: string | Uint8Array): string {
  return createHash('sha256').update(of).digest('hex');
}
