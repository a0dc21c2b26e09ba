// Ends the processes given to it when the one that started them is gone, however it went.
import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';

/** Text, so that it runs from source, from a build and from inside a bundle alike. */
const program = `
const pids = new Set();
let rest = '';
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => {});
const end = () => { for (const pid of pids) try { process.kill(pid, 'SIGKILL') } catch {} process.exit() };
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (rest + text).split('\\n');
  rest = lines.pop();
  for (const line of lines) line[0] === '+' ? pids.add(Number(line.slice(1))) : pids.delete(Number(line.slice(1)));
}).on('end', end).on('error', end);
`;

export class Reaper {
  readonly #child: ChildProcess;
  readonly #input: Writable;

  constructor() {
    const child = spawn(process.execPath, ['-e', program], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_OPTIONS')),
    });
    child.unref();
    (child.stdin as unknown as { unref(): void }).unref();
    child.stdin.on('error', () => undefined);
    this.#child = child;
    this.#input = child.stdin;
  }

  watch(pid: number): void {
    this.#input.write(`+${pid.toString()}\n`);
  }

  forget(pid: number): void {
    this.#input.write(`-${pid.toString()}\n`);
  }

  /** Ends whatever is still watched. */
  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    const gone =
      exitCode !== null || signalCode !== null
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            this.#child.once('exit', () => {
              resolve();
            });
          });
    this.#child.ref();
    this.#input.end();
    await gone;
  }
}
