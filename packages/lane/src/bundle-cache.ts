// Keeps an app's bundle beside the packages it was made with, so that a node that starts again need not wait for it to
// be made again. What is kept is used only while nothing that went into it has changed.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';

export interface BuiltBundle {
  readonly code: string;
  /** Its source map, as JSON. */
  readonly map: string;
  /** Files that went into it, absolute. */
  readonly inputs: readonly string[];
}

const keptSchema = z.object({
  code: z.string(),
  map: z.string(),
  /** Of the inputs, in their order. */
  inputs: z.array(z.string()),
  /** Of the inputs' contents, and of all that has a say in which files they are. */
  fingerprint: z.string(),
});

/** What decides which files an import leads to, and how TypeScript is read. */
const deciding =
  /^(package(-lock)?|npm-shrinkwrap|tsconfig.*|jsconfig)\.json$|^(yarn|pnpm-lock|bun)\.(lock|lockb|yaml)$/;

/**
 * The bundle that was made of the same before, or `build`'s. Where nothing can be written it is built every time.
 * @param what everything besides files that decides what comes out: names, options, versions.
 */
export async function cachedBundle(
  module: string,
  what: readonly string[],
  build: () => Promise<BuiltBundle>,
): Promise<Omit<BuiltBundle, 'inputs'>> {
  const file = cacheFile(module, what);
  if (file === undefined) return await build();
  const kept = await readKept(file);
  if (kept !== undefined && kept.fingerprint === fingerprint(module, kept.inputs)) return kept;
  const begun_ms = Date.now();
  const built = await build();
  // What is read now may be newer than what was built.
  if (changedSince(begun_ms, module, built.inputs)) return built;
  try {
    await writeWhole(file, JSON.stringify({ ...built, fingerprint: fingerprint(module, built.inputs) }));
  } catch {
    // A read-only installation, or a full disk: it is only slower.
  }
  return built;
}

/** In the nearest node_modules, where tools keep such things; undefined where there is none. */
function cacheFile(module: string, what: readonly string[]): string | undefined {
  const folder = ancestors(module).find((at) => existsSync(path.join(at, 'node_modules')));
  if (folder === undefined) return undefined;
  const key = createHash('sha256')
    .update(JSON.stringify([module, process.version, ...what]))
    .digest('hex');
  return path.join(folder, 'node_modules', '.cache', 'tandem', `${key.slice(0, 32)}.json`);
}

async function readKept(file: string): Promise<z.output<typeof keptSchema> | undefined> {
  try {
    return keptSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Undefined when a file cannot be read any more. Hundreds of small files: without waiting it takes a fifth. */
function fingerprint(module: string, inputs: readonly string[]): string | undefined {
  const hash = createHash('sha256');
  try {
    for (const file of [...decidingFiles(module), ...inputs]) {
      const content = readFileSync(file);
      hash.update(`${file}\0${String(content.length)}\0`).update(content);
    }
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}

/** File systems keep time by a clock that lags behind by some milliseconds. */
const clockLag_ms = 20;

function changedSince(begun_ms: number, module: string, inputs: readonly string[]): boolean {
  return [...decidingFiles(module), ...inputs].some((file) => {
    const found = statSync(file, { throwIfNoEntry: false });
    return found === undefined || found.mtimeMs > begun_ms - clockLag_ms;
  });
}

function decidingFiles(module: string): string[] {
  return ancestors(module)
    .flatMap((folder) =>
      namesIn(folder)
        .filter((name) => deciding.test(name))
        .map((name) => path.join(folder, name)),
    )
    .sort();
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The folder that a file is in, and every folder around it. */
function ancestors(file: string): string[] {
  const folders: string[] = [];
  for (let at = path.dirname(file); ; at = path.dirname(at)) {
    folders.push(at);
    if (path.dirname(at) === at) return folders;
  }
}

/** Whoever reads it meanwhile sees the old file or the new one. */
async function writeWhole(file: string, content: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${String(process.pid)}`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
