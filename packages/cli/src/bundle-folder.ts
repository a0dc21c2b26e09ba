// Where a process keeps the bundles of its apps: a temporary folder of its own, gone when it exits. One that was killed
// leaves its folder behind; whoever comes next on the same host removes it.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';

export interface BundleFolder {
  readonly folder: string;
  remove(): void;
}

const own = new Set<string>();

/** `parent`: where such folders lie. */
export function makeBundleFolder(parent = tmpdir()): BundleFolder {
  // With the host's name: containers that share a folder for temporary files do not see each other's processes.
  const prefix = `tandem-bundles-${hostname()}-`;
  removeLeftovers(parent, prefix);
  const folder = mkdtempSync(path.join(parent, `${prefix}${String(process.pid)}-`));
  own.add(folder);
  const remove = (): void => {
    process.off('exit', remove);
    own.delete(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', remove);
  return { folder, remove };
}

function removeLeftovers(parent: string, prefix: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue;
    const folder = path.join(parent, name);
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    // In a container every run may have the same process id: what bears ours and is not ours is a predecessor's.
    if (pid === process.pid ? own.has(folder) : isAlive(pid)) continue;
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Somebody else's, who may do it.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
