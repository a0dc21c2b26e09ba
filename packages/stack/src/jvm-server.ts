// One server process in a folder of its own: started apart from this process, known by its pid file and command line,
// so that a later process can go on with it or end it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { until } from '@tandem/embedded';
import type { TandemError } from '@tandem/ports';
import { lastLines, stackError } from './error.ts';
import { isFree } from './network.ts';

export interface JvmServerOptions {
  /** For people: `Kafka broker 1`. */
  readonly title: string;
  /** Holds the pid and the log. */
  readonly folder: string;
  /** In the command line of the process and of no other: the path of its configuration. */
  readonly sign: string;
}

interface Run {
  readonly from: number;
  ended: string | undefined;
}

const startLimit_ms = 120_000;
const killLimit_ms = 30_000;
const logLimit_bytes = 8 * 1024 * 1024;

/**
 * Writes its process id, lets go of files that this process has open or inherited (a lock held by a caller would stay
 * held for as long as the server runs) and becomes the program.
 */
const launcher = `
pidFile=$1; shift
echo $$ >"$pidFile.part" && mv -f "$pidFile.part" "$pidFile" || exit 1
for file in /dev/fd/*; do
  number=\${file##*/}
  case $number in
    0 | 1 | 2 | 255 | '*') ;;
    [3-9]) eval "exec $number>&-" ;;
    *) [ -z "\${BASH_VERSION-}" ] || eval "exec $number>&-" ;;
  esac
done
exec "$@"
`;

/** The part of the path of a server's pid file that is below its folder. */
export const pidName = 'pid';
const logName = 'server.log';

export class JvmServer {
  readonly #options: JvmServerOptions;
  /** The last run that was started from here: where in the log it began, and how it ended if it did. */
  #run: Run = { from: 0, ended: undefined };

  constructor(options: JvmServerOptions) {
    this.#options = options;
  }

  /** Of its last run; 0 before the first. */
  get pid(): number {
    return readPid(this.#pidFile);
  }

  get running(): boolean {
    return isServer(this.pid, this.#options.sign);
  }

  get logFile(): string {
    return path.join(this.#options.folder, logName);
  }

  /**
   * Starts the process; see `ready`. In a session of its own: Ctrl-C and the end of this process do not reach it.
   * @throws TandemError `stack-port` where one of its ports is taken.
   */
  async launch(program: string, ports: readonly number[], args: readonly string[]): Promise<void> {
    const { folder, title } = this.#options;
    for (const port of ports) if (!(await isFree(port))) throw this.#portTaken(port.toString());
    await mkdir(folder, { recursive: true });
    await rm(this.#pidFile, { force: true });
    const before = await stat(this.logFile).catch(() => undefined);
    if (before !== undefined && before.size > logLimit_bytes) await rename(this.logFile, `${this.logFile}.old`);
    const log = await open(this.logFile, 'a');
    try {
      // Of its own: the end of an earlier run may be told late.
      const run: Run = {
        from: (await log.stat()).size,
        ended: undefined,
      };
      this.#run = run;
      const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';
      const child = spawn(shell, ['-c', launcher, title, this.#pidFile, program, ...args], {
        cwd: '/',
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      child.unref();
      child.once('error', (error) => (run.ended = error.message));
      child.once('exit', (code, signal) => (run.ended = `it ended with ${String(signal ?? code)}`));
    } finally {
      await log.close();
    }
  }

  /** Resolves when `isReady`; what it has said in this run is passed. @throws TandemError with the end of its log. */
  async ready(isReady: (said: string) => Promise<boolean>): Promise<void> {
    const outcome = await until(startLimit_ms, 20, async () => {
      if (this.#run.ended !== undefined) return this.#run.ended;
      return (await isReady(await this.#said())) ? true : undefined;
    });
    if (outcome === true) return;
    await this.kill();
    const said = await this.#said();
    if (/Address already in use|BindException/.test(said)) {
      throw this.#portTaken('it was to listen on');
    }
    const why = outcome ?? `it was not ready after ${(startLimit_ms / 1000).toString()} s`;
    throw stackError(
      'stack-start',
      `${this.#options.title} did not start: ${why}: ${lastLines(said) || 'it said nothing'}. ` +
        `The whole story is in ${this.logFile}`,
    );
  }

  /** @throws TandemError when it does not run. */
  signal(name: NodeJS.Signals): void {
    if (!this.#send(name)) throw stackError('stack-start', `${this.#options.title} does not run: nothing to signal`);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    const { pid } = this;
    if (this.#send('SIGKILL')) await isGone(pid, killLimit_ms);
  }

  /** Asks it to end, also when it was stopped by SIGSTOP; kills it after the limit. */
  async terminate(limit_ms: number): Promise<void> {
    const { pid } = this;
    if (!this.#send('SIGTERM')) return;
    this.#send('SIGCONT');
    if (!(await isGone(pid, limit_ms))) await this.kill();
  }

  #portTaken(which: string): TandemError {
    return stackError(
      'stack-port',
      `${this.#options.title} did not start: the port ${which} on 127.0.0.1 is in use. ` +
        `End what listens there, or see ${this.logFile}`,
    );
  }

  #send(signal: NodeJS.Signals): boolean {
    const { pid } = this;
    if (!isServer(pid, this.#options.sign)) return false;
    try {
      process.kill(pid, signal);
      return true;
    } catch {
      return false;
    }
  }

  async #said(): Promise<string> {
    const log = await readFile(this.logFile).catch(() => Buffer.alloc(0));
    return log.subarray(this.#run.from).toString();
  }

  get #pidFile(): string {
    return path.join(this.#options.folder, pidName);
  }
}

function readPid(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8').split('\n')[0]);
  } catch {
    return 0;
  }
}

/** False for somebody else's process, and for zombies, whose command line is empty. */
function isServer(pid: number, sign: string): boolean {
  if (!(pid > 0)) return false;
  if (process.platform !== 'linux') {
    return spawnSync('ps', ['-ww', '-o', 'command=', '-p', pid.toString()], { encoding: 'utf8' }).stdout.includes(sign);
  }
  try {
    return readFileSync(`/proc/${pid.toString()}/cmdline`, 'utf8').includes(sign);
  } catch {
    return false;
  }
}

/** Gone for good, its sockets closed. A process that ends loses its command line first, and its first thread early. */
async function isGone(pid: number, limit_ms: number): Promise<boolean> {
  const folder = `/proc/${pid.toString()}`;
  const gone = await until(limit_ms, 10, async () => {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    if (process.platform !== 'linux') return undefined;
    // Not every parent asks after its dead children.
    const [status, threads] = await Promise.all([
      readFile(path.join(folder, 'status'), 'utf8').catch(() => 'State: Z'),
      readdir(path.join(folder, 'task')).catch(() => []),
    ]);
    return /^State:\s+[ZX]/m.test(status) && threads.length <= 1 ? true : undefined;
  });
  return gone ?? false;
}
