// Bundles the simulation with a mistake in it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Mistake } from './mistakes.ts';

const packages = fileURLToPath(new URL('../../../', import.meta.url));

/** @throws Error when what it changes is not there exactly once. */
export async function buildWith(mistake: Mistake, outfile: string): Promise<void> {
  const left = new Set(mistake.changes);
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/pair/main.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@tandem/source'],
    logLevel: 'silent',
    external: ['esbuild'],
    banner: {
      js: "import { createRequire as tandemRequire } from 'node:module'; const require = tandemRequire(import.meta.url);",
    },
    plugins: [
      {
        name: 'mistake',
        setup: (plugin) => {
          plugin.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
            const changes = mistake.changes.filter((change) => path.join(packages, change.file) === file);
            if (changes.length === 0) return undefined;
            let contents = await readFile(file, 'utf8');
            for (const change of changes) {
              contents = changed(contents, change, mistake.name);
              left.delete(change);
            }
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  for (const { file } of left) throw new Error(`'${mistake.name}' changes ${file}, which no simulation uses`);
}

function changed(text: string, { file, find, replace }: Mistake['changes'][number], name: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`'${name}' replaces what is ${String(parts.length - 1)} times in ${file}: ${find}`);
  }
  return parts.join(replace);
}
