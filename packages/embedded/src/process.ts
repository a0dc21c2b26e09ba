// Processes and the postmaster.pid file, read without trusting either: a pid may be stale, a zombie or somebody else's.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasErrno } from './error.ts';

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** Undefined: no file, or one that is only half written. */
export async function readPostmaster(dataFolder: string): Promise<Postmaster | undefined> {
  const text = await readFile(path.join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3] ?? ''), ready: (lines[7] ?? '').trim() === 'ready' };
}

/** True for zombies too: to PostgreSQL a zombie's pid still exists. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return hasErrno(thrown, 'EPERM');
  }
}

export type ProcessKind = 'gone' | 'zombie' | 'postgres' | 'other';

export async function processKind(pid: number): Promise<ProcessKind> {
  if (!pidExists(pid)) return 'gone';
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid.toString()}/stat`, 'utf8').catch(() => undefined);
    if (stat === undefined) return 'gone';
    // The name is in brackets and may itself hold brackets.
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return 'zombie';
    return name === 'postgres' ? 'postgres' : 'other';
  }
  const listed = await promisify(execFile)('ps', ['-o', 'stat=,comm=', '-p', pid.toString()]).catch(() => undefined);
  if (listed === undefined) return 'gone';
  if (listed.stdout.trimStart().startsWith('Z')) return 'zombie';
  return listed.stdout.includes('postgres') ? 'postgres' : 'other';
}

/** Asks until the answer is something or time is up; the last answer, so undefined means time was up. */
export async function until<T>(
  limit_ms: number,
  pause_ms: number,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T | undefined> {
  const deadline_ms = performance.now() + limit_ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() >= deadline_ms) return answer;
    await sleep(pause_ms);
  }
}
