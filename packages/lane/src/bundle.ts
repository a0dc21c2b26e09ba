// Makes one JavaScript file of an app, the lane and the adapters it uses, so that a worker can run it as it is.
import { createHash } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TandemError } from '@tandem/ports';
import * as esbuild from 'esbuild';
import { cachedBundle, type BuiltBundle } from './bundle-cache.ts';
import { bundledPackages } from './bundled-packages.ts';
import type { AppBundle } from './description.ts';
import { OutsidePackages } from './outside-packages.ts';
import { sourceMapFile } from './source-places.ts';

export interface BundleOptions {
  /** The app's module, TypeScript or JavaScript, absolute. */
  readonly module: string;
  /** The name of the exported app; undefined: the only one. */
  readonly exportName?: string;
  /** Module specifiers that export a `laneAdapter`, for instance `@tandem/postgres/lane`. */
  readonly adapters: readonly string[];
  /** A folder of the caller's own; made when it is not there. */
  readonly outDir: string;
}

/** Packages that others ask for without needing them. */
const never = ['pg-native', 'pg-cloudflare', 'cloudflare:sockets'];

const common = {
  bundle: true,
  write: false,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // In a checkout everything runs from source; installed packages have none.
  conditions: import.meta.url.endsWith('.ts') ? ['@tandem/source'] : [],
  // Comments with paths would make the same code look different on two machines.
  minifyWhitespace: true,
  logLevel: 'silent',
} satisfies esbuild.BuildOptions;

/** CommonJS packages inside an ES module ask for `require`. */
// Written so that tools which replace import.meta.url in our own source leave the text alone.
const requireBanner =
  "import{createRequire as __tandemRequire}from'node:module';const require=__tandemRequire(import.meta['url']);";

/** Global names that differ from node to node, and what app code gets instead (guards.ts). */
const guarded = {
  Date: 'guardedDate',
  'Math.random': 'guardedRandom',
  'performance.now': 'guardedPerformanceNow',
  'crypto.randomUUID': 'guardedRandomUUID',
};

/**
 * Bundles in two steps: the app with its own packages, where clocks and randomness are replaced, then that with the
 * lane and the adapters. The hash is of the code alone.
 * @throws TandemError (user) `app-module-missing`, `app-build` naming file and line.
 */
export async function bundleApp(options: BundleOptions): Promise<AppBundle> {
  await checkModule(options.module);
  underWay++;
  try {
    const outside = await outsidePackages(options);
    const bundlePath = path.join(options.outDir, 'lane.mjs');
    const { code, map } = outside.areAllFound
      ? await cachedBundle(options.module, [ownFolder, esbuild.version, entry(options), ...outside.patterns], () =>
          build(options, outside),
        )
      : await build(options, outside);
    await mkdir(options.outDir, { recursive: true });
    await writeFile(bundlePath, code);
    await writeFile(sourceMapFile(bundlePath), map);
    await outside.link(options.outDir);
    return { path: bundlePath, hash: createHash('sha256').update(code).digest('hex') };
  } catch (error) {
    throw asBuildError(error, options.module);
  } finally {
    underWay--;
    if (underWay === 0) await esbuild.stop();
  }
}

/** Bundles being made: esbuild's process serves all of them, and ends with the last. */
let underWay = 0;

async function build(options: BundleOptions, outside: OutsidePackages): Promise<BuiltBundle> {
  const app = await bundleAppAlone(options, outside);
  const built = await esbuild.build({
    ...common,
    outfile: path.join(options.outDir, 'lane.mjs'),
    stdin: { contents: entry(options), resolveDir: ownFolder, sourcefile: entryName },
    sourcemap: 'external',
    sourcesContent: false,
    metafile: true,
    absWorkingDir: ownFolder,
    external: never,
    banner: { js: requireBanner },
    plugins: [outside.plugin(), appAsModule(app.code, options.module), bundledPackages],
  });
  const map = built.outputFiles.find((file) => file.path.endsWith('.map'));
  const code = built.outputFiles.find((file) => file !== map);
  if (code === undefined || map === undefined) throw new Error('esbuild made no file');
  return { code: code.text, map: map.text, inputs: [...makers, ...app.inputs, ...filesOf(built.metafile, ownFolder)] };
}

/** Modules that a plugin or we ourselves made up are in no file. */
function filesOf({ inputs }: esbuild.Metafile, folder: string): string[] {
  return Object.keys(inputs)
    .filter((input) => input !== entryName && !input.startsWith('tandem-app:'))
    .map((input) => path.resolve(folder, input));
}

const entryName = 'tandem-lane-entry.js';
const ownFile = fileURLToPath(import.meta.url);
const ownFolder = path.dirname(ownFile);
/** The modules that say how a bundle is made. */
const makers = ['bundle', 'bundled-packages', 'outside-packages'].map((name) =>
  path.join(ownFolder, name + path.extname(ownFile)),
);

async function checkModule(module: string): Promise<void> {
  const found = await stat(module).catch(() => undefined);
  if (found?.isFile() === true) return;
  throw new TandemError('app-module-missing', `there is no file ${module}; check the app's module path`, {
    blame: 'user',
  });
}

async function outsidePackages({ module, adapters }: BundleOptions): Promise<OutsidePackages> {
  const outside = new OutsidePackages();
  await outside.declaredAround(path.dirname(module));
  for (const specifier of adapters) await outside.declaredByAdapter(specifier, ownFolder);
  return outside;
}

/** The app's code; our own packages stay imports, so that there is one copy of each. */
async function bundleAppAlone(
  options: BundleOptions,
  outside: OutsidePackages,
): Promise<{ readonly code: string; readonly inputs: readonly string[] }> {
  const names = Object.values(guarded);
  const folder = path.dirname(options.module);
  const built = await esbuild.build({
    ...common,
    entryPoints: [options.module],
    // Never written: what the source map's names are relative to.
    outfile: path.join(folder, 'app.mjs'),
    absWorkingDir: folder,
    external: ['@tandem/*', ...never, ...outside.patterns],
    sourcemap: 'external',
    metafile: true,
    define: Object.fromEntries(Object.entries(guarded).map(([global, name]) => [global, `__tandem_${name}`])),
    banner: { js: `import{${names.map((name) => `${name} as __tandem_${name}`).join(',')}}from'@tandem/lane/guards';` },
  });
  const map = built.outputFiles.find((file) => file.path.endsWith('.map'))?.text ?? '{}';
  const code = built.outputFiles.find((file) => !file.path.endsWith('.map'))?.text ?? '';
  return {
    code: `${code}\n//# sourceMappingURL=data:application/json;base64,${absolutely(map, folder)}\n`,
    inputs: filesOf(built.metafile, folder),
  };
}

/** The map with its files named in full: the bundle that it becomes a part of is in another folder. */
function absolutely(map: string, folder: string): string {
  const parsed = JSON.parse(map) as { sources?: readonly string[] };
  const sources = (parsed.sources ?? []).map((source) => pathToFileURL(path.resolve(folder, source)).href);
  return Buffer.from(JSON.stringify({ ...parsed, sources })).toString('base64');
}

function entry({ adapters, exportName }: BundleOptions): string {
  return [
    `import { startWorker } from '@tandem/lane/worker';`,
    ...adapters.map(
      (specifier, index) => `import { laneAdapter as adapter${index} } from ${JSON.stringify(specifier)};`,
    ),
    `import * as exported from 'tandem-app';`,
    `startWorker({ exported, exportName: ${JSON.stringify(exportName)}, adapters: [${adapters.map((_, index) => `adapter${index}`).join(', ')}] });`,
  ].join('\n');
}

/** The bundled app under a name of ours; what it imports of ours comes from where the lane is. */
function appAsModule(contents: string, module: string): esbuild.Plugin {
  return {
    name: 'tandem-app',
    setup(build) {
      build.onResolve({ filter: /^tandem-app$/ }, () => ({ path: path.basename(module), namespace: 'tandem-app' }));
      build.onLoad({ filter: /.*/, namespace: 'tandem-app' }, () => ({
        contents,
        loader: 'js',
        resolveDir: ownFolder,
      }));
    },
  };
}

function asBuildError(error: unknown, module: string): unknown {
  const failure = error as Partial<esbuild.BuildFailure>;
  const first = failure.errors?.[0];
  if (first === undefined) return error;
  const { location } = first;
  const where = location === null ? module : `${location.file}:${String(location.line)}:${String(location.column + 1)}`;
  const todo = first.text.startsWith('Could not resolve') ? '; correct the name, or install it where the app is' : '';
  return new TandemError('app-build', `${where}: ${first.text.replaceAll('\n', ' ')}${todo}`, {
    blame: 'user',
    cause: error,
  });
}
