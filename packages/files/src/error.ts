// What goes wrong with a folder, in words for people.
import { TandemError } from '@tandem/ports';
import { codeOf } from './durable.ts';

const full: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Make room',
  EDQUOT: 'the quota is used up. Make room, or raise it',
  EFBIG: 'the file may not grow any more. Raise the limit on the size of files (ulimit -f)',
};

const refused: Readonly<Record<string, string>> = {
  EACCES: 'this user may not do that. Give it the folder, with the right to read and write',
  EPERM: 'this user may not do that. Give it the folder, with the right to read and write',
  EROFS: 'the file system is read-only. Mount it so that it can be written',
  ENOTDIR: 'a part of the path is no folder. Correct store.files.folder',
};

/** What the store throws instead of what the system said. */
export function storeError(thrown: unknown, folder: string): unknown {
  const code = codeOf(thrown);
  // What the caller's stream or positions threw is the caller's.
  if (code === undefined) return thrown;
  const reason = (thrown as Error).message;
  const noRoom = full[code];
  if (noRoom !== undefined) {
    const text = `the snapshot store ${folder} takes no more: ${noRoom}; nothing was kept, and it is tried again`;
    return new TandemError('store-full', text, { cause: thrown });
  }
  const wrong = refused[code];
  if (wrong !== undefined) {
    const text = `the snapshot store ${folder} cannot be used: ${wrong} (${reason})`;
    return new TandemError('store-refused', text, { blame: 'user', cause: thrown });
  }
  const text = `the snapshot store failed: ${folder} (${reason}). It is tried again.`;
  return new TandemError('store-failed', text, { cause: thrown });
}
