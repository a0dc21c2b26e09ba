// Files and folders that are there after a crash of the machine, too; readable by their owner only.
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

const fileMode = 0o600;
const folderMode = 0o700;

/** File systems that keep no order of their own between folders have nothing to be told. */
const cannotSyncFolders: ReadonlySet<string | undefined> = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS']);

/** The system's code of what it threw; undefined for everything else. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown) || !('syscall' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/** Names that were given, changed or taken away in the folder are durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (thrown) {
    if (!cannotSyncFolders.has(codeOf(thrown))) throw thrown;
  } finally {
    await handle.close();
  }
}

/** Makes the folder and those above it where they are missing. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: folderMode });
  if (first === undefined) return;
  // Each new one has its name in the one above.
  for (let made = folder; made.length >= first.length; made = path.dirname(made)) await syncFolder(path.dirname(made));
}

export async function makeNewFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: folderMode });
}

/** A new file with what `write` puts into it, durable but for its name. @throws EEXIST. */
export async function writeNewFile(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(file, 'wx', fileMode);
  try {
    await write(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** An empty file whose name is all that it says. No harm where it is there already. */
export async function makeMark(file: string): Promise<void> {
  try {
    await (await open(file, 'wx', fileMode)).close();
  } catch (thrown) {
    if (codeOf(thrown) !== 'EEXIST') throw thrown;
  }
  await syncFolder(path.dirname(file));
}

/** All of it, however often the system takes a part only. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
}
