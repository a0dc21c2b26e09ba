// CPU time and memory of another process: /proc on Linux, ps elsewhere.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** USER_HZ; 100 on every Linux that Node runs on. */
const ticks_per_s = 100;

/** User and system time so far; undefined when the process is gone. */
export async function cpuSeconds(pid: number): Promise<number | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid.toString()}/stat`, 'utf8').catch(() => undefined);
    if (stat === undefined) return undefined;
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticks_per_s;
  }
  const time = await ps(pid, 'time=');
  return time === undefined ? undefined : parseTime(time);
}

/** Resident: the most it ever had; outside of Linux what it has now. */
export async function memoryPeak_mb(pid: number): Promise<number | undefined> {
  return await resident_mb(pid, 'VmHWM');
}

/** What `memoryPeak_mb` tells from now on is the most since now. Linux only. @throws Error elsewhere. */
export async function forgetMemoryPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid.toString()}/clear_refs`, '5');
}

/** Resident now. */
export async function memory_mb(pid: number): Promise<number | undefined> {
  return await resident_mb(pid, 'VmRSS');
}

async function resident_mb(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number | undefined> {
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${pid.toString()}/status`, 'utf8').catch(() => '');
    const kb = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
    return kb === undefined ? undefined : Math.round(Number(kb) / 1024);
  }
  const kb = await ps(pid, 'rss=');
  return kb === undefined ? undefined : Math.round(Number(kb) / 1024);
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  const answer = await promisify(execFile)('ps', ['-o', column, '-p', pid.toString()]).catch(() => undefined);
  return answer?.stdout.trim();
}

/** `[days-][hours:]minutes:seconds` */
export function parseTime(text: string): number {
  const [clock = '', days = '0'] = text.split('-').reverse();
  return clock.split(':').reduce((seconds, part) => seconds * 60 + Number(part), 0) + Number(days) * 86_400;
}
