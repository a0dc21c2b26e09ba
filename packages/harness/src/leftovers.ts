// Nodes that outlived the program that started them: found by their pid files, ended only when they are what it says.
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

export function pidFile(folder: string, id: string): string {
  return path.join(folder, `${id}.pid`);
}

/** A pid may have been given to another process since: the command line must name the node's configuration file. */
export async function endLeftovers(folder: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const file = pidFile(folder, id);
    const pid = Number(await readFile(file, 'utf8').catch(() => '0'));
    if (pid > 0 && (await commandLine(pid)).includes(path.join(folder, `${id}.yaml`))) process.kill(pid, 'SIGKILL');
    await rm(file, { force: true });
  }
}

async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid.toString()}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
  }
  const answer = await promisify(execFile)('ps', ['-o', 'args=', '-p', pid.toString()]).catch(() => undefined);
  return answer?.stdout ?? '';
}
