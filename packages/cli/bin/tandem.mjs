#!/usr/bin/env node
// The tandem command. In a source checkout it bundles src/main.ts, kept until a file changes; a published package has
// only dist/ and runs that. Either way in this process: signals and exit codes are the command's own.
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const source = fileURLToPath(new URL('../src/main.ts', import.meta.url));

if (existsSync(source)) {
  const { bundleSource } = await import('../../../scripts/bundle-source.mjs');
  const bundle = await bundleSource(source);
  if (bundle === undefined) process.exit(1);
  await import(pathToFileURL(bundle).href);
} else {
  await import('../dist/main.js');
}
