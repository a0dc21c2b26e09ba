// What the numbers were taken on.
import { readFile } from 'node:fs/promises';
import os from 'node:os';

/** Ticks of all processors since the machine was started. */
export interface ProcessorTime {
  readonly all: number;
  /** Wanted by this virtual machine while its host did something else. */
  readonly stolen: number;
}

/** Of user, nice, system, idle, iowait, irq, softirq, steal; time of guests comes after them, counted in already. */
const stealField = 7;

/** From the text of /proc/stat; undefined where it is not Linux's. */
export function processorTimeIn(stat: string): ProcessorTime | undefined {
  const [, line] = /^cpu +(.+)$/m.exec(stat) ?? [];
  const ticks = line
    ?.split(/ +/)
    .slice(0, stealField + 1)
    .map(Number);
  if (ticks?.length !== stealField + 1 || ticks.some(Number.isNaN)) return undefined;
  return { all: ticks.reduce((sum, one) => sum + one, 0), stolen: ticks[stealField] ?? 0 };
}

export async function processorTime(): Promise<ProcessorTime | undefined> {
  return processorTimeIn(await readFile('/proc/stat', 'utf8').catch(() => ''));
}

/** How much of its processors a virtual machine did not get: the same run takes longer where it is more. */
export function describeSteal(before: ProcessorTime | undefined, after: ProcessorTime | undefined): string {
  if (before === undefined || after === undefined) return '';
  const share = (after.stolen - before.stolen) / Math.max(1, after.all - before.all);
  return `, ${(100 * share).toFixed(1)} % of the processors' time stolen by the host`;
}

export function describeMachine(systems: string): string {
  const cpus = os.cpus();
  const memory_gib = Math.round(os.totalmem() / 1024 ** 3);
  return (
    `${cpus.length.toString()} cores ${cpus[0]?.model.trim() ?? 'of an unknown kind'}, ${memory_gib.toString()} GiB, ` +
    `${os.type()} ${os.release()}, Node ${process.version}, ${systems}`
  );
}
