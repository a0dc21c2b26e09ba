// A folder of its own for each test.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export async function freshFolder(): Promise<{ readonly folder: string; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tandem-files-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Where the store keeps an app whose name needs no encoding. */
export function appFolder(folder: string, pair: string, app: string): string {
  return path.join(folder, pair, app);
}
