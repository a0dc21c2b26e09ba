// What the tests of the stack share: a folder each, processes looked at from outside, owners that can be killed.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from '@tandem/embedded';
import { runJava, type JarSet } from '@tandem/stack';
import { build } from 'esbuild';

export async function makeFolder(): Promise<string> {
  return await mkdtemp(path.join(tmpdir(), 'tandem-stack-test-'));
}

/** False for zombies: not every parent asks after its dead children. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return (
      process.platform !== 'linux' || !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid.toString()}/status`, 'utf8'))
    );
  } catch {
    return false;
  }
}

export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const held = await until(30_000, 20, async () => ((await holds()) ? true : undefined));
  if (held !== true) throw new Error(`waited in vain until ${what}`);
}

export async function squat(port: number): Promise<Server> {
  return await new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

/** Runs one of the programs beside this file. @returns what it printed. */
export async function java(name: string, args: readonly string[], jars: JarSet = 'kafka-4.1'): Promise<string> {
  const { exitCode, stdout, output } = await runJava(
    { source: path.join(__dirname, '..', 'java', `${name}.java`), jars },
    args,
  );
  if (exitCode !== 0) throw new Error(`${name} ${args.join(' ')}: ${output}`);
  return stdout.trim();
}

export interface Owner {
  readonly pid: number;
  /** What it printed as JSON. */
  readonly said: unknown;
  kill(): void;
}

/**
 * A process of its own that runs `program` (a module that may use the stack and calls `say` once) and lives until it
 * is killed. `descriptor` is a file that it inherits as its descriptor 30.
 */
export async function startOwner(folder: string, program: string, descriptor?: number): Promise<Owner> {
  // Beside this file, so that what is left out of the bundle is found from there.
  const file = path.join(__dirname, `.owner-${path.basename(folder)}.mjs`);
  await build({
    stdin: {
      contents: `import { startKafka, startZooKeeper } from '@tandem/stack';
        const say = (value) => console.log(JSON.stringify(value));
        ${program}
        setInterval(() => {}, 1000);`,
      resolveDir: __dirname,
    },
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@tandem/source'],
    external: ['pg'],
    define: { 'import.meta.url': JSON.stringify(`file://${path.join(__dirname, '..', '..', 'src', 'place.ts')}`) },
  });
  const inherited =
    descriptor === undefined ? [] : [...Array.from({ length: 27 }, () => 'ignore' as const), descriptor];
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit', ...inherited] });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout?.once('data', (text: Buffer) => {
        resolve(text.toString());
      });
      child.once('exit', () => {
        reject(new Error('the owner ended early'));
      });
    });
    return { pid: child.pid ?? 0, said: JSON.parse(line), kill: () => child.kill('SIGKILL') };
  } finally {
    await rm(file, { force: true });
  }
}
