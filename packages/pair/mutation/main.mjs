// npm run mutation [-- <files>]: all of packages/pair/src, or only these files of it. See docs/mutation.md.
// Exit code 1: too many mutants survived, or the tests fail as it is; 2: a mistake on the command line.
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Stryker } from '@stryker-mutator/core';

const configFile = 'packages/pair/mutation/stryker.config.mjs';

const files = process.argv.slice(2).map((file) => path.resolve(file));
process.chdir(fileURLToPath(new URL('../../..', import.meta.url)));
const source = path.resolve('packages/pair/src') + path.sep;
const wrong = files.find((file) => !file.startsWith(source) || !existsSync(file));
if (wrong === undefined) {
  try {
    await new Stryker(files.length === 0 ? { configFile } : { configFile, mutate: files }).runMutationTest();
  } catch {
    // Stryker's log has said why.
    process.exitCode = 1;
  }
} else {
  process.stderr.write(`mutation: not a file of packages/pair/src: ${path.relative('.', wrong)}\n`);
  process.exitCode = 2;
}
