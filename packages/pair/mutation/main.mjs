// npm run mutation [-- <files>]: all of packages/pair/src, or only these files of it. See docs/mutation.md.
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';

const files = process.argv.slice(2).map((file) => path.resolve(file));
process.chdir(fileURLToPath(new URL('../../..', import.meta.url)));
const configFile = 'packages/pair/mutation/stryker.config.mjs';
try {
  await new Stryker(files.length === 0 ? { configFile } : { configFile, mutate: files }).runMutationTest();
} catch {
  // Stryker's log has said why.
  process.exitCode = 1;
}
