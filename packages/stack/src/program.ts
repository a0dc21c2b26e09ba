// Runs a program to its end and keeps what it said.
import { spawn } from 'node:child_process';

export interface Ran {
  /** Why it did not end with exit code 0. */
  readonly failure: string | undefined;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** Both streams, in the order of arrival. */
  readonly output: string;
}

export interface RunOptions {
  readonly limit_ms: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
}

/** Never rejects; past its limit the program is killed. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const child = spawn(program, args, {
    stdio: 'pipe',
    env: { ...process.env, ...options.env },
    timeout: options.limit_ms,
    killSignal: 'SIGKILL',
  });
  // It may end without reading.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin);
  const stdout: Buffer[] = [];
  const output: Buffer[] = [];
  child.stdout.on('data', (text: Buffer) => {
    stdout.push(text);
    output.push(text);
  });
  child.stderr.on('data', (text: Buffer) => output.push(text));
  const ended = await new Promise<{ failure: string | undefined; exitCode: number | undefined }>((resolve) => {
    child.once('error', (error) => {
      resolve({ failure: error.message, exitCode: undefined });
    });
    child.once('close', (code, signal) => {
      const failure = code === null ? `ended by ${String(signal)}` : `exit code ${code.toString()}`;
      resolve({ failure: code === 0 ? undefined : failure, exitCode: code ?? undefined });
    });
  });
  return { ...ended, stdout: Buffer.concat(stdout).toString(), output: Buffer.concat(output).toString() };
}
