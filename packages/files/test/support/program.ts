// Bundles a file of support/ and runs it as a process, to be killed.
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { build } from 'esbuild';

export async function bundle(name: string, folder: string): Promise<string> {
  const outfile = path.join(folder, `${name}.cjs`);
  await build({
    entryPoints: [path.join(__dirname, `${name}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    conditions: ['@tandem/source'],
    outfile,
    logLevel: 'error',
  });
  return outfile;
}

export class Program {
  readonly #child: ChildProcess;
  readonly exited: Promise<void>;
  #said = '';
  #heard: () => void = () => undefined;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (text: Buffer) => {
      this.#said += text.toString();
      this.#heard();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', () => {
        resolve();
        this.#heard();
      });
    });
  }

  get said(): readonly string[] {
    return this.#said.split('\n').slice(0, -1);
  }

  async until(line: RegExp): Promise<string> {
    for (;;) {
      const found = this.said.find((said) => line.test(said));
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null) throw new Error(`it ended, having said: ${this.#said}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
