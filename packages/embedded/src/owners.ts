// Who uses a server folder: a lock for starting and stopping, one file per owner, and a guard process per owner that
// stops the server when its owner is gone, however it went, and nobody else is left.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EmbeddedError, hasErrno } from './error.ts';
import { pidExists, until } from './process.ts';

/** How a guard finds and ends the processes of the server whose owner is gone. */
export interface Guarded {
  /** Below the folder; each has the id of a process in its first line. */
  readonly pidFiles: readonly string[];
  /** Part of the command line of every such process: a stale file may name somebody else's. */
  readonly sign: string;
  /** One after the other until they are gone; each is given ten seconds. */
  readonly signals: readonly NodeJS.Signals[];
}

/**
 * Runs `work` while no other process starts or stops the server of this folder. A dead holder's lock is broken.
 * `limit_ms`: how long the work of others may take.
 */
export async function withLock<T>(folder: string, work: () => Promise<T>, limit_ms = 60_000): Promise<T> {
  const file = path.join(folder, 'lock');
  const token = `${process.pid.toString()} ${randomUUID()}`;
  const taken = await until(limit_ms, 20, async () => {
    try {
      await writeFile(file, token, { flag: 'wx' });
      return true;
    } catch (thrown) {
      if (!hasErrno(thrown, 'EEXIST')) throw thrown;
      const holder = await readFile(file, 'utf8').catch(() => '');
      const pid = Number(holder.split(' ')[0]);
      if (pid > 0 && !pidExists(pid) && (await readFile(file, 'utf8').catch(() => '')) === holder)
        await rm(file, { force: true });
      return undefined;
    }
  });
  if (taken === undefined) {
    throw new EmbeddedError(
      'embedded-busy',
      `another process holds ${file}. Wait for it, or delete the file if none is left`,
    );
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

function ownersFolder(folder: string): string {
  return path.join(folder, 'owners');
}

function ownerFile(folder: string): string {
  return path.join(ownersFolder(folder), process.pid.toString());
}

/** Registers this process and starts its guard; false when it has one already. Call with the lock held. */
export async function addOwner(folder: string, guarded: Guarded): Promise<boolean> {
  await mkdir(ownersFolder(folder), { recursive: true });
  const guard = Number(await readFile(ownerFile(folder), 'utf8').catch(() => '0'));
  if (guard > 0 && pidExists(guard)) return false;
  const child = spawn(process.execPath, ['-e', guardProgram, folder, process.pid.toString(), JSON.stringify(guarded)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    // Without NODE_OPTIONS: a loader or debugger of the owner is not the guard's.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_OPTIONS')),
  });
  child.unref();
  // The pipe must stay open but not keep the owner running.
  (child.stdin as unknown as { unref(): void }).unref();
  child.stdin.on('error', () => undefined);
  await writeFile(ownerFile(folder), (child.pid ?? 0).toString());
  return true;
}

/** Its guard finds itself without an owner file and ends. Call with the lock held. */
export async function removeOwner(folder: string): Promise<void> {
  const guard = Number(await readFile(ownerFile(folder), 'utf8').catch(() => '0'));
  await rm(ownerFile(folder), { force: true });
  if (guard > 0 && pidExists(guard)) process.kill(guard, 'SIGTERM');
}

/** Live owners other than this process; files of dead ones are removed. Call with the lock held. */
export async function otherOwners(folder: string): Promise<number> {
  let alive = 0;
  for (const name of await readdir(ownersFolder(folder)).catch(() => [])) {
    if (name === process.pid.toString()) continue;
    if (pidExists(Number(name))) alive++;
    else await rm(path.join(ownersFolder(folder), name), { force: true });
  }
  return alive;
}

/**
 * What the guard runs, as text so that it works from source, from a build and from inside a bundle alike.
 * It waits for the end of its input (the owner is gone), takes the lock, and when no owner is left asks the server's
 * processes to stop.
 */
const guardProgram = `
const fs = require('node:fs'), path = require('node:path'), { spawnSync } = require('node:child_process');
const [folder, owner, guarded] = process.argv.slice(1);
const { pidFiles, sign, signals } = JSON.parse(guarded);
const lock = path.join(folder, 'lock');
const alive = (pid) => { try { process.kill(pid, 0); return true } catch (error) { return error.code === 'EPERM' } };
const read = (file) => { try { return fs.readFileSync(file, 'utf8') } catch { return '' } };
const later = (work) => setTimeout(work, 20);
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
let tries = 0, begun = false;
const commandLine = (pid) => process.platform === 'linux'
  ? read('/proc/' + pid + '/cmdline').replaceAll('\\0', ' ')
  : String(spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).stdout);
const begin = () => { if (!begun) { begun = true; take() } };
function take() {
  if (!fs.existsSync(folder) || ++tries > 1500) return;
  const token = process.pid + ' guard';
  try { fs.writeFileSync(lock, token, { flag: 'wx' }) } catch {
    const holder = read(lock), pid = Number(holder.split(' ')[0]);
    if (pid > 0 && !alive(pid) && read(lock) === holder) fs.rmSync(lock, { force: true });
    return later(take);
  }
  const owners = path.join(folder, 'owners');
  if (Number(read(path.join(owners, owner))) === process.pid) fs.rmSync(path.join(owners, owner), { force: true });
  if (fs.readdirSync(owners).some((name) => alive(Number(name)))) return fs.rmSync(lock, { force: true });
  end(pidFiles
    .map((file) => Number(read(path.join(folder, file)).split('\\n')[0]))
    .filter((pid) => pid > 0 && commandLine(pid).includes(sign)), 0);
}
function end(pids, step) {
  if (pids.length === 0 || step === signals.length) return fs.rmSync(lock, { force: true });
  // A stopped process takes no notice until it goes on.
  for (const pid of pids) for (const signal of [signals[step], 'SIGCONT']) try { process.kill(pid, signal) } catch {}
  wait(pids, step, 1000);
}
function wait(pids, step, left) {
  const rest = pids.filter(alive);
  if (rest.length > 0 && left > 0) return setTimeout(() => wait(rest, step, left - 1), 10);
  end(rest, step + 1);
}
process.stdin.on('error', begin).on('end', begin).resume();
`;
