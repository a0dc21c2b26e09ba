// Packages that need telling how they go into a bundle.
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

/** They look for files of their own beside them; what holds the same in itself. */
const inOnePiece: Readonly<Record<string, string>> = {
  '@platformatic/wasm-utils': '@platformatic/wasm-utils/bundled',
};

/** Their modules do nothing but declare: those that are not used may be left out, which is most of them. */
const declaring = ['@platformatic/kafka'];

/**
 * pg asks whether it runs at Cloudflare by making a Response, which has Node load all of fetch: 40 ms and more in every
 * thread. Without a Response it need not ask.
 */
const askingForFetch = /[\\/]node_modules[\\/]pg[\\/]lib[\\/]stream\.js$/;

export const bundledPackages: Plugin = {
  name: 'tandem-bundled-packages',
  setup(build) {
    build.onResolve({ filter: anyOf(Object.keys(inOnePiece), '$') }, ({ path, resolveDir, kind }) =>
      build.resolve(inOnePiece[path] ?? path, { resolveDir, kind }),
    );
    const within = new RegExp(`[\\\\/]node_modules[\\\\/](${declaring.join('|')})[\\\\/]`);
    build.onResolve({ filter: anyOf([...declaring, '\\.\\.?/'], '') }, async (found) => {
      const { path, importer, resolveDir, kind } = found;
      const isOurs = declaring.includes(path) || within.test(importer);
      if (!isOurs || found.pluginData === bundledPackages) return undefined;
      const resolved = await build.resolve(path, { importer, resolveDir, kind, pluginData: bundledPackages });
      return resolved.errors.length > 0 ? undefined : { path: resolved.path, sideEffects: false };
    });
    build.onLoad({ filter: askingForFetch }, async ({ path }) => {
      const options = { define: { Response: 'undefined' }, sourcefile: path } as const;
      return { contents: (await build.esbuild.transform(await readFile(path, 'utf8'), options)).code };
    });
  },
};

function anyOf(beginnings: readonly string[], end: string): RegExp {
  return new RegExp(`^(${beginnings.join('|')})${end}`);
}
