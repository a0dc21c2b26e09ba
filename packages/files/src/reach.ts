// Looks at a store's folder without changing anything.
import { access, constants, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { TandemError } from '@tandem/ports';
import { codeOf } from './durable.ts';
import { storeError } from './error.ts';

const gibibyte = 2 ** 30;

/** One line that says what is there. @throws TandemError where the folder cannot be used, or not be made. */
export async function reachFolder(folder: string): Promise<string> {
  try {
    const there = await nearest(folder);
    if (!(await stat(there)).isDirectory()) {
      throw new TandemError('store-refused', `the snapshot store ${folder} cannot be used: ${there} is no folder`, {
        blame: 'user',
      });
    }
    await access(there, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(there);
    const state = there === folder ? '' : ', will be made at the first start';
    return `folder ${folder}${state}, ${((bavail * bsize) / gibibyte).toFixed(1)} GiB free`;
  } catch (thrown) {
    throw storeError(thrown, folder);
  }
}

/** The folder itself or the first one above it that exists. */
async function nearest(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      await stat(at);
      return at;
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT' || path.dirname(at) === at) throw thrown;
    }
  }
}
