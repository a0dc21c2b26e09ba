// One node as a real process: start it by the command line, signal it by its pid, see it end.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Reaper } from './reaper.ts';

export interface NodeCommand {
  /** Program and arguments; the first is run by this Node. */
  readonly script: string;
  readonly args: readonly string[];
  /** For Node.js itself, before the script. */
  readonly nodeFlags?: readonly string[];
  readonly cwd: string;
  /** Standard output and errors are added to this file. */
  readonly logFile: string;
}

export class NodeProcess {
  readonly pid: number;
  /** Resolves once it is gone, with how it went. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  #ended: string | undefined;
  #stopped = false;

  constructor(command: NodeCommand, reaper: Reaper) {
    const log = openSync(command.logFile, 'a');
    try {
      // Its own group: Ctrl-C at the terminal is for whoever started it to handle.
      this.#child = spawn(process.execPath, [...(command.nodeFlags ?? []), command.script, ...command.args], {
        cwd: command.cwd,
        detached: true,
        stdio: ['ignore', log, log],
      });
    } finally {
      closeSync(log);
    }
    const pid = this.#child.pid;
    if (pid === undefined) throw new Error(`cannot start ${process.execPath} ${command.script}`);
    this.pid = pid;
    reaper.watch(pid);
    this.exited = new Promise((resolve) => {
      const end = (how: string) => {
        this.#ended = how;
        reaper.forget(pid);
        resolve(how);
      };
      this.#child.once('error', (error) => {
        end(error.message);
      });
      this.#child.once('exit', (code, signal) => {
        end(signal === null ? `exit code ${String(code)}` : signal);
      });
    });
  }

  /** How it went; undefined while it lives. */
  get ended(): string | undefined {
    return this.#ended;
  }

  get frozen(): boolean {
    return this.#stopped && this.#ended === undefined;
  }

  signal(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#ended !== undefined) return;
    if (signal === 'SIGSTOP') this.#stopped = true;
    if (signal === 'SIGCONT') this.#stopped = false;
    this.#child.kill(signal);
  }

  /** In good order, by force when that takes longer than the limit. */
  async stop(limit_ms = 10_000): Promise<void> {
    if (this.#ended !== undefined) return;
    if (this.#stopped) this.signal('SIGCONT');
    this.signal('SIGTERM');
    const force = setTimeout(() => {
      this.signal('SIGKILL');
    }, limit_ms);
    await this.exited;
    clearTimeout(force);
  }
}

/** Free on loopback a moment ago: the one that is wanted, else any. */
export async function freePort(wanted = 0): Promise<number> {
  const found = (await probePort(wanted)) ?? (await probePort(0));
  if (found === undefined) throw new Error('no free port on 127.0.0.1');
  return found;
}

async function probePort(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(undefined);
    });
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => {
        resolve(address !== null && typeof address === 'object' ? address.port : undefined);
      });
    });
  });
}
