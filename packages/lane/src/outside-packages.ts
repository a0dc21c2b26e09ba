// Packages that find files of their own, native code above all, cannot be moved into a bundle. They stay where they
// are installed, and links beside the bundle lead there: no path of this machine is in the code, whose hash must be the
// same on all nodes.
import { access, mkdir, readFile, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { TandemError } from '@tandem/ports';
import type * as esbuild from 'esbuild';

/** What a package.json may say: `"tandem": { "outside": ["re2"] }`, names of packages, in an adapter's or an app's. */
interface Manifest {
  readonly tandem?: { readonly outside?: unknown };
}

export class OutsidePackages {
  /** Where each one lies; undefined where it is not installed, which is for those to notice who ask for it. */
  readonly #folders = new Map<string, string | undefined>();

  /** As patterns for esbuild: a package and the files in it. */
  get patterns(): string[] {
    return [...this.#folders.keys()].flatMap((name) => [name, `${name}/*`]);
  }

  get areAllFound(): boolean {
    return [...this.#folders.values()].every((folder) => folder !== undefined);
  }

  /** Takes in what the package declares that `folder` is in. @throws TandemError (user) `app-build` */
  async declaredAround(folder: string): Promise<void> {
    const manifestFile = await nearest(folder, 'package.json');
    if (manifestFile === undefined) return;
    for (const name of declared(await readFile(manifestFile, 'utf8'), manifestFile)) {
      const found = await findPackage(name, path.dirname(manifestFile));
      this.#folders.set(name, this.#folders.get(name) ?? found);
    }
  }

  /** The same for an adapter, by its module specifier as seen from `folder`. */
  async declaredByAdapter(specifier: string, folder: string): Promise<void> {
    const own = path.isAbsolute(specifier)
      ? path.dirname(specifier)
      : await findPackage(packageName(specifier), folder);
    if (own !== undefined) await this.declaredAround(own);
  }

  /** Leaves imports of them as they are. One that whoever declared it cannot see is taken from where it is imported. */
  plugin(): esbuild.Plugin {
    return {
      name: 'tandem-outside',
      setup: (build) => {
        if (this.#folders.size === 0) return;
        const names = [...this.#folders.keys()].map((name) => name.replace(/[^\w@/-]/g, '\\$&'));
        build.onResolve({ filter: new RegExp(`^(${names.join('|')})(/|$)`) }, async (found) => {
          const name = packageName(found.path);
          if (this.#folders.get(name) === undefined) {
            this.#folders.set(name, await findPackage(name, found.resolveDir));
          }
          return { path: found.path, external: true };
        });
      },
    };
  }

  /** Makes them findable for a bundle in `folder`. */
  async link(folder: string): Promise<void> {
    for (const [name, target] of this.#folders) {
      if (target === undefined) continue;
      const link = path.join(folder, 'node_modules', name);
      if ((await readlink(link).catch(() => undefined)) === target) continue;
      await mkdir(path.dirname(link), { recursive: true });
      await rm(link, { recursive: true, force: true });
      // Windows lets anybody make junctions; elsewhere it is a symbolic link.
      await symlink(target, link, 'junction');
    }
  }
}

function declared(manifest: string, file: string): readonly string[] {
  const names = parsed(manifest).tandem?.outside ?? [];
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw new TandemError('app-build', `${file}: tandem.outside is no list of package names; write it as ["re2"]`, {
    blame: 'user',
  });
}

function parsed(manifest: string): Manifest {
  try {
    return JSON.parse(manifest) as Manifest;
  } catch {
    // esbuild reads it too, and says it better.
    return {};
  }
}

/** The folder of an installed package, as an import in `folder` would find it. */
async function findPackage(name: string, folder: string): Promise<string | undefined> {
  for (const modules of createRequire(path.join(folder, 'any.js')).resolve.paths(name) ?? []) {
    const found = path.join(modules, name);
    if (await exists(path.join(found, 'package.json'))) return await realpath(found);
  }
  return undefined;
}

/** `@tandem/kafka/lane` is in `@tandem/kafka`. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

async function nearest(folder: string, name: string): Promise<string | undefined> {
  for (let at = folder; ; at = path.dirname(at)) {
    const file = path.join(at, name);
    if (await exists(file)) return file;
    if (path.dirname(at) === at) return undefined;
  }
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
