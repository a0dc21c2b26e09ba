// Finds a Java runtime, and gets one with Maven from the system's packages where that is possible.
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { withLock } from '@tandem/embedded';
import { lastLines, stackError } from './error.ts';
import { stackFolder } from './place.ts';
import { run } from './program.ts';

const leastVersion = 17;
const installLimit_ms = 15 * 60_000;
const packages = ['default-jre-headless', 'maven'];
/** Another run of it may be under way. */
const patience = ['-o', 'DPkg::Lock::Timeout=120'];
const advice =
  `Install Java ${leastVersion.toString()} or newer and Maven ("npm run stack -- install" does it on Debian and Ubuntu, as root; ` +
  'on macOS: brew install openjdk maven)';

export interface Java {
  readonly program: string;
  /** What it says of itself: tells one build from another. */
  readonly build: string;
}

/** Or why there is none. */
export type JavaFound = Java | { readonly missing: string };

/** JAVA_HOME first, then the PATH. Synchronous, because tests are declared by what it says. */
export function findJava(): JavaFound {
  const home = process.env['JAVA_HOME'];
  const candidates = [...(home === undefined || home === '' ? [] : [path.join(home, 'bin', 'java')]), 'java'];
  let old: string | undefined;
  for (const program of candidates) {
    const { status, stderr } = spawnSync(program, ['-version'], {
      env: process.env,
      encoding: 'utf8',
      timeout: 20_000,
    });
    const version = status === 0 ? /version "(\d+)/.exec(stderr)?.[1] : undefined;
    if (version === undefined) continue;
    if (Number(version) >= leastVersion) return { program, build: stderr };
    old ??= version;
  }
  return {
    missing: old === undefined ? 'no Java runtime was found' : `Java ${old} is too old`,
  };
}

let known: Java | undefined;

/** Installs what is missing where tests may (CI, as root). @throws TandemError `stack-no-java` */
export async function requireJava(): Promise<Java> {
  return (known ??= await findOrInstall());
}

async function findOrInstall(): Promise<Java> {
  const found = findJava();
  if ('program' in found) return found;
  if (process.env['CI'] === 'true' && isRoot()) {
    await installJava(() => undefined);
    const installed = findJava();
    if ('program' in installed) return installed;
  }
  throw stackError('stack-no-java', `${found.missing}. ${advice}, or name servers of your own: see docs/stack.md`);
}

/** Java and Maven by apt-get. @throws TandemError */
export async function installJava(say: (line: string) => void): Promise<void> {
  await mkdir(stackFolder, { recursive: true });
  await withLock(
    stackFolder,
    async () => {
      const java = findJava();
      if ('program' in java && hasMaven()) {
        say('Java and Maven are installed.');
        return;
      }
      if (!isRoot() || !runs('apt-get', ['--version'])) {
        const missing = 'missing' in java ? java.missing : 'Maven was not found';
        throw stackError('stack-no-java', `${missing}, and only apt-get as root can be used to install it. ${advice}`);
      }
      for (const args of [
        ['update', '-q', ...patience],
        ['install', '-y', '-q', '--no-install-recommends', ...patience, ...packages],
      ]) {
        say(`apt-get ${args.join(' ')}`);
        const done = await run('apt-get', args, {
          limit_ms: installLimit_ms,
          env: { DEBIAN_FRONTEND: 'noninteractive' },
        });
        if (done.failure !== undefined) {
          throw stackError(
            'stack-install',
            `apt-get ${args[0] ?? ''} failed (${done.failure}): ${lastLines(done.output, 3)}. ${advice}`,
          );
        }
      }
      const installed = findJava();
      if ('missing' in installed) {
        throw stackError(
          'stack-no-java',
          `after apt-get install ${packages.join(' ')}: ${installed.missing}. ${advice}`,
        );
      }
      say('Java and Maven are installed now.');
    },
    installLimit_ms,
  );
}

export function hasMaven(): boolean {
  return runs('mvn', ['--version']);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function runs(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { env: process.env, stdio: 'ignore', timeout: 20_000 }).status === 0;
}
