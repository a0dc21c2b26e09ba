#!/usr/bin/env node
// Runs a TypeScript entry file in this process: node scripts/run.mjs <file.ts> [arguments]
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleSource } from './bundle-source.mjs';

const entry = process.argv[2];
if (entry === undefined) {
  process.stderr.write('usage: node scripts/run.mjs <file.ts> [arguments]\n');
  process.exit(2);
}

const file = path.resolve(entry);
const bundle = await bundleSource(file);
if (bundle === undefined) process.exit(1);
process.setSourceMapsEnabled(true);
process.argv.splice(1, 2, file);
await import(pathToFileURL(bundle).href);
