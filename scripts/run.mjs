#!/usr/bin/env node
// Runs a TypeScript entry file in this process: node scripts/run.mjs <file.ts> [arguments]
// Our own packages are bundled from source, so nothing has to be built first; everything else is imported as installed.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const entry = process.argv[2];
if (entry === undefined) {
  process.stderr.write('usage: node scripts/run.mjs <file.ts> [arguments]\n');
  process.exit(2);
}

const file = path.resolve(entry);
const folder = path.join(root, '.tandem', 'build');
const name = `${path.basename(file, path.extname(file))}-${createHash('sha256').update(file).digest('hex').slice(0, 8)}`;
// Named by process: two runs at once must not overwrite what the other is reading.
const bundle = path.join(folder, `${name}-${process.pid}.mjs`);
mkdirSync(folder, { recursive: true });
removeLeftovers();

try {
  await build({
    entryPoints: [file],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'linked',
    conditions: ['@tandem/source'],
    logLevel: 'error',
    plugins: [{ name: 'tandem', setup: keepPlaces }],
  });
} catch (error) {
  // esbuild has printed what is wrong with the source.
  if (!Array.isArray(error?.errors)) throw error;
  process.exit(1);
}

process.setSourceMapsEnabled(true);
process.argv.splice(1, 2, file);
process.once('exit', () => {
  rmSync(bundle, { force: true });
  rmSync(`${bundle}.map`, { force: true });
});
await import(pathToFileURL(bundle).href);

/**
 * Bare names other than our own packages are left to node, which resolves them from the bundle's place in the root.
 * Our own sources keep saying where they are.
 */
function keepPlaces({ onResolve, onLoad }) {
  onResolve({ filter: /^[^./]/ }, ({ path: imported, kind }) => {
    if (kind === 'entry-point' || imported.startsWith('@tandem/') || path.isAbsolute(imported)) return undefined;
    return { path: imported, external: true };
  });
  onLoad({ filter: /\.ts$/ }, ({ path: source }) => ({
    contents: readFileSync(source, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(source).href)),
    loader: 'ts',
  }));
}

/** A run that was killed leaves its bundle behind. */
function removeLeftovers() {
  for (const left of readdirSync(folder)) {
    const pid = Number(/-(\d+)\.mjs(\.map)?$/.exec(left)?.[1]);
    if (pid > 0 && !exists(pid)) rmSync(path.join(folder, left), { force: true });
  }
}

function exists(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
