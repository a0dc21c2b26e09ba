// Runs a Java program of one source file against the fetched jars, or one that is in them: for tests of compatibility
// with Kafka's own clients and tools.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { exists, withLock } from '@tandem/embedded';
import { lastLines, stackError } from './error.ts';
import { fetchJars, type JarSet } from './jars.ts';
import { requireJava } from './java.ts';
import { stackFolder } from './place.ts';
import { run } from './program.ts';

export interface JavaProgram {
  /** A file whose name is that of its class with `main`, without a package; or the full name of such a class in the jars. */
  readonly source: string | { readonly main: string };
  /** Default kafka-4.1. */
  readonly jars?: JarSet;
  /** Default one minute; then it is killed. */
  readonly limit_ms?: number;
}

export interface JavaResult {
  /** Undefined when it was killed. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** What it wrote to both streams. */
  readonly output: string;
}

const compileLimit_ms = 2 * 60_000;

/**
 * Compiles the program once per content and jars, and runs it. The program's own exit code is the caller's to judge.
 * @throws TandemError `stack-java-program` where it does not compile.
 */
export async function runJava(
  program: JavaProgram,
  args: readonly string[] = [],
  stdin?: string | Uint8Array,
): Promise<JavaResult> {
  const lib = await fetchJars(program.jars ?? 'kafka-4.1');
  const { program: java } = await requireJava();
  const { source } = program;
  const jars = path.join(lib, '*');
  const isFile = typeof source === 'string';
  const classpath = isFile ? [await compile(java, source, lib), jars].join(path.delimiter) : jars;
  const main = isFile ? path.basename(source, '.java') : source.main;
  const jvm = [
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-cp',
    classpath,
  ];
  const { exitCode, stdout, output } = await run(java, [...jvm, main, ...args], {
    limit_ms: program.limit_ms ?? 60_000,
    ...(stdin !== undefined && { stdin }),
  });
  return { exitCode, stdout, output };
}

/** By the compiler inside the runtime: Debian's has it, and it is the same program as javac. */
async function compile(java: string, source: string, lib: string): Promise<string> {
  const hash = createHash('sha256')
    .update(`${lib}\n`)
    .update(await readFile(source))
    .digest('hex')
    .slice(0, 12);
  const folder = path.join(stackFolder, 'java', `${path.basename(source, '.java')}-${hash}`);
  const classes = path.join(folder, 'classes');
  if (await exists(classes)) return classes;
  await mkdir(folder, { recursive: true });
  await withLock(
    folder,
    async () => {
      if (await exists(classes)) return;
      const half = await mkdtemp(`${classes}-`);
      // The star of a class path is for the launchers, and this is none.
      const jars = (await readdir(lib)).map((jar) => path.join(lib, jar)).join(path.delimiter);
      const args = ['-encoding', 'UTF-8', '-d', half, '-cp', jars, path.resolve(source)];
      const done = await run(java, ['-m', 'jdk.compiler/com.sun.tools.javac.Main', ...args], {
        limit_ms: compileLimit_ms,
      });
      if (done.failure !== undefined) {
        await rm(half, { recursive: true, force: true });
        const advice = done.output.includes('jdk.compiler') ? '. This Java has no compiler: install a JDK' : '';
        throw stackError('stack-java-program', `${source} does not compile: ${lastLines(done.output, 8)}${advice}`);
      }
      await rename(half, classes);
    },
    compileLimit_ms,
  );
  return classes;
}
