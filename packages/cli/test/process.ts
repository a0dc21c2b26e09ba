// Runs the tandem command as a process of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';

const bin = path.resolve(__dirname, '../bin/tandem.mjs');

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  out(): string;
}

export type Environment = Readonly<Record<string, string>>;

export function start(
  words: readonly string[],
  environment: Environment = {},
  folder?: string,
  input?: string,
): Running {
  return startScript(bin, words, environment, folder, input);
}

/** `input`: what comes on its standard input; nothing unless given. */
export function startScript(
  script: string,
  words: readonly string[],
  environment: Environment,
  folder?: string,
  input?: string,
): Running {
  const child = spawn(process.execPath, [script, ...words], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: 'pipe',
  });
  // It may have ended before it read anything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let out = '';
  let error = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, out, error });
    });
  });
  return { child, ended, out: () => out };
}

export function tandem(words: readonly string[], environment: Environment = {}, folder?: string): Promise<Ended> {
  return start(words, environment, folder).ended;
}

/** Tries until `look` gives something; its last error says why it never did. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, limit_ms = 30_000): Promise<T> {
  const until_ms = Date.now() + limit_ms;
  let last = 'nothing';
  while (Date.now() < until_ms) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not come about: ${last}`);
}
