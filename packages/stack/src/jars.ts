// The servers' jars: fetched by Maven from the pom files beside this package, kept below .tandem/stack until a pom changes.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { exists, withLock } from '@tandem/embedded';
import { lastLines, stackError } from './error.ts';
import { hasMaven, requireJava, installJava } from './java.ts';
import { pomFolder, stackFolder } from './place.ts';
import { run } from './program.ts';

export type JarSet = 'kafka-4.1' | 'kafka-3.9' | 'zookeeper-3.9';

const fetchLimit_ms = 10 * 60_000;

/** @returns the folder that holds them. @throws TandemError `stack-no-java`, `stack-jars` */
export async function fetchJars(set: JarSet, root = stackFolder): Promise<string> {
  const pom = path.join(pomFolder, `${set}.xml`);
  const hash = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 12);
  const folder = path.join(root, 'jars', `${set}-${hash}`);
  const lib = path.join(folder, 'lib');
  if (await exists(lib)) return lib;
  await requireJava();
  await mkdir(folder, { recursive: true });
  return await withLock(
    folder,
    async () => {
      if (!(await exists(lib))) await askMaven(pom, lib);
      return lib;
    },
    fetchLimit_ms,
  );
}

async function askMaven(pom: string, lib: string): Promise<void> {
  if (!hasMaven()) {
    if (process.env['CI'] === 'true') await installJava(() => undefined);
    else {
      throw stackError(
        'stack-no-java',
        'Maven was not found; it fetches Kafka and ZooKeeper. Install it, or run "npm run stack -- install"',
      );
    }
  }
  // Maven outlives this process when that is killed: each try has a folder of its own.
  const half = await mkdtemp(`${lib}-`);
  const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  const done = await run('mvn', [...args, `-DoutputDirectory=${half}`], { limit_ms: fetchLimit_ms });
  if (done.failure !== undefined) {
    await rm(half, { recursive: true, force: true });
    const reason = done.output.split('\n').find((line) => line.includes('ERROR')) ?? done.output;
    throw stackError(
      'stack-jars',
      `Maven could not fetch the jars of ${path.basename(pom)} (${done.failure}): ${lastLines(reason)}. ` +
        'Check the network, or the mirror in Maven’s settings.xml, and try again',
    );
  }
  await rename(half, lib);
}
