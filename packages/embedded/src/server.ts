// Starts PostgreSQL on a folder of its own, or goes on with the one that already runs there, and stops it.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chown, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import pg from 'pg';
import { exists, findBinaries, refuseForeign, type Binaries } from './binaries.ts';
import { EmbeddedError } from './error.ts';
import { addOwner, otherOwners, removeOwner, withLock, type Guarded } from './owners.ts';
import { processKind, readPostmaster, until, type Postmaster } from './process.ts';
import { canReach, serverUser, type ServerUser } from './server-user.ts';

export interface EmbeddedOptions {
  /** Kept between runs; holds the data, the password, the port and the server's log. */
  readonly dataDir: string;
  /** Default: the port of the last run where it is free, else any free one. */
  readonly port?: number;
  /** Settings of postgresql.conf, over ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The server outlives this process; without it a guard stops the server when its last owner is gone. */
  readonly keepRunning?: boolean;
}

export interface EmbeddedServer {
  /** Of the database `postgres`, with the password: a secret. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** As asked for, except as root where the server's user cannot reach that folder. */
  readonly dataDir: string;
  /** It was running already. */
  readonly reused: boolean;
  /** Lets go of it; it is stopped unless another live process uses it too. */
  stop(): Promise<void>;
}

const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // Loopback TCP only: the default socket folder may be missing or closed, and paths have a short limit.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
};
const startLimit_ms = 60_000;
const stopLimit_ms = 30_000;
const logLimit_bytes = 8 * 1024 * 1024;

interface Place {
  /** Ours: password, port, log, lock, owners. */
  readonly folder: string;
  /** PostgreSQL's. */
  readonly data: string;
  readonly user: ServerUser | undefined;
}

/** @throws EmbeddedError */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const place = await findPlace(options.dataDir);
  const { folder } = place;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await refuseForeign(folder);
  return await withLock(folder, async () => {
    const running = await findRunning(place);
    if (running !== undefined && options.port !== undefined && options.port !== running.port) {
      throw new EmbeddedError(
        'embedded-port',
        `the PostgreSQL server of ${folder} already runs on port ${running.port.toString()}, not ${options.port.toString()}. ` +
          'Stop it first, or leave the port out',
      );
    }
    const server = running ?? (await startFresh(place, options));
    if (options.keepRunning !== true) await addOwner(folder, guarded(place));
    return await describe(place, server, running !== undefined);
  });
}

/** The server that runs on this folder, if there is one. Does not make the caller an owner of it. */
export async function findEmbedded(dataDir: string): Promise<EmbeddedServer | undefined> {
  const place = await findPlace(dataDir);
  if (!(await exists(place.folder))) return undefined;
  return await withLock(place.folder, async () => {
    const running = await findRunning(place);
    return running === undefined ? undefined : await describe(place, running, true);
  });
}

async function findPlace(dataDir: string): Promise<Place> {
  const user = await serverUser();
  const folder = await reachableFolder(path.resolve(dataDir), user);
  return { folder, data: path.join(folder, 'data'), user };
}

async function describe(place: Place, server: Postmaster, reused: boolean): Promise<EmbeddedServer> {
  return {
    url: connectionUrl(await readPassword(place), server.port),
    port: server.port,
    pid: server.pid,
    dataDir: place.folder,
    reused,
    stop: async () => {
      // Somebody may have removed the folder after an earlier stop.
      if (await exists(place.folder)) await withLock(place.folder, () => release(place));
    },
  };
}

/** SIGINT: sessions are ended, then a checkpoint. */
function guarded({ data }: Place): Guarded {
  return { pidFiles: [path.join('data', 'postmaster.pid')], sign: data, signals: ['SIGINT'] };
}

async function reachableFolder(wanted: string, user: ServerUser | undefined): Promise<string> {
  if (user === undefined || (await canReach(path.join(wanted, 'data', 'base'), user))) return wanted;
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 12);
  return path.join('/var/tmp', `tandem-embedded-${name}`);
}

/** The live server of this folder, checked to be ours; a file that names a dead one is removed. */
async function findRunning(place: Place): Promise<Postmaster | undefined> {
  // A starting server becomes ready; a killed one stays a zombie until its parent looks: both end by themselves.
  const found = await until(startLimit_ms, 20, async () => {
    const postmaster = await readPostmaster(place.data);
    if (postmaster === undefined) return 'none' as const;
    switch (await processKind(postmaster.pid)) {
      case 'gone':
        return 'none' as const;
      case 'other':
        await rm(path.join(place.data, 'postmaster.pid'), { force: true });
        return 'none' as const;
      case 'zombie':
        return undefined;
      case 'postgres':
        return postmaster.ready && (await answersAsOurs(place, postmaster)) ? postmaster : undefined;
    }
  });
  if (found === undefined) {
    throw new EmbeddedError(
      'embedded-busy',
      `the PostgreSQL server of ${place.folder} is alive but does not answer. See ${logFile(place)}, or end the process named first in ${place.data}/postmaster.pid`,
    );
  }
  return found === 'none' ? undefined : found;
}

async function answersAsOurs(place: Place, postmaster: Postmaster): Promise<boolean> {
  const client = new pg.Client({
    connectionString: connectionUrl(await readPassword(place), postmaster.port),
    connectionTimeoutMillis: 2000,
    query_timeout: 2000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    const reported = rows[0] === undefined ? undefined : await stat(rows[0].data_directory).catch(() => undefined);
    return reported?.ino === (await stat(place.data)).ino;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function startFresh(place: Place, options: EmbeddedOptions): Promise<Postmaster> {
  const binaries = await findBinaries(place.user);
  if (!(await exists(place.data))) await initialise(place, binaries);
  const portFile = path.join(place.folder, 'port');
  const remembered = Number(await readFile(portFile, 'utf8').catch(() => '0'));
  for (let attempt = 1; ; attempt++) {
    const wanted = options.port ?? (attempt === 1 ? remembered : 0);
    const port = (await freePort(wanted)) ?? (options.port === undefined ? await freePort(0) : undefined);
    if (port === undefined) throw portTaken(wanted);
    const started = await spawnServer(place, binaries, port, { ...defaultSettings, ...options.settings });
    if (typeof started !== 'string') {
      await writeFile(portFile, port.toString());
      return started;
    }
    const taken = started.includes('could not bind') || started.includes('could not create any TCP/IP sockets');
    // Children of a killed server outlive it by a moment and hold its shared memory.
    const lingering = started.includes('lock file') || started.includes('shared memory block');
    if (taken && options.port !== undefined) throw portTaken(options.port);
    if (!(taken || lingering) || attempt === 20) {
      throw new EmbeddedError(
        'embedded-start',
        `PostgreSQL did not start on ${place.data}: ${started}. The whole story is in ${logFile(place)}`,
      );
    }
    if (lingering) await until(500, 500, () => undefined);
  }
}

function portTaken(port: number): EmbeddedError {
  return new EmbeddedError(
    'embedded-port',
    `port ${port.toString()} on 127.0.0.1 is in use. Choose another, or leave it out for any free one`,
  );
}

/** Makes the data folder beside its final place, so that a half made one is never started. */
async function initialise(place: Place, binaries: Binaries): Promise<void> {
  const half = `${place.data}.new`;
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { mode: 0o700 });
  await rm(passwordFile(place), { force: true });
  await writeFile(passwordFile(place), randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (place.user !== undefined) {
    await chown(half, place.user.uid, place.user.gid);
    await chown(passwordFile(place), place.user.uid, place.user.gid);
  }
  const child = spawn(
    binaries.initdb,
    [
      `--pgdata=${half}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile(place)}`,
      '--encoding=UTF8',
      '--locale=C',
    ],
    { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...binaries.env }, ...place.user },
  );
  let said = '';
  const listen = (text: Buffer) => {
    said = (said + text.toString()).slice(-2000);
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('close', (code) => {
      resolve(code === 0 ? undefined : `exit code ${String(code)}`);
    });
  });
  if (failure !== undefined) {
    throw new EmbeddedError('embedded-initdb', `PostgreSQL could not make ${place.data}: ${lastLine(said) || failure}`);
  }
  await rename(half, place.data);
}

/** In a session of its own, so that Ctrl-C and the end of this process do not reach it. A text says why it failed. */
async function spawnServer(
  place: Place,
  binaries: Binaries,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<Postmaster | string> {
  const before = await stat(logFile(place)).catch(() => undefined);
  if (before !== undefined && before.size > logLimit_bytes) await rm(logFile(place));
  const log = await open(logFile(place), 'a', 0o644);
  const from = (await log.stat()).size;
  const child = spawn(
    binaries.postgres,
    [
      '-D',
      place.data,
      '-p',
      port.toString(),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, ...binaries.env },
      ...place.user,
    },
  );
  child.unref();
  let ended: string | undefined;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = `it ended with ${String(signal ?? code)}`));
  try {
    const outcome = await until(startLimit_ms, 5, async () => {
      if (ended !== undefined) return ended;
      const postmaster = await readPostmaster(place.data);
      return postmaster?.pid === child.pid && postmaster?.ready === true ? postmaster : undefined;
    });
    if (outcome !== undefined && typeof outcome !== 'string') return outcome;
    if (outcome === undefined) child.kill('SIGINT');
    const said = (await readFile(logFile(place))).subarray(from).toString();
    const reasons = said.split('\n').filter((line) => /FATAL|could not|error while/.test(line));
    return reasons.join('; ') || lastLine(said) || outcome || 'it was not ready in time';
  } finally {
    await log.close();
  }
}

async function release(place: Place): Promise<void> {
  await removeOwner(place.folder);
  if ((await otherOwners(place.folder)) > 0) return;
  const postmaster = await readPostmaster(place.data);
  if (postmaster === undefined || (await processKind(postmaster.pid)) !== 'postgres') return;
  const { pid } = postmaster;
  // Fast shutdown: open sessions are ended, then a checkpoint. SIGQUIT, without one, when that hangs.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const gone = await until(stopLimit_ms, 5, async () =>
      ['gone', 'zombie'].includes(await processKind(pid)) ? true : undefined,
    );
    if (gone) return;
  }
  throw new EmbeddedError('embedded-stop', `PostgreSQL (pid ${pid.toString()}) does not stop. See ${logFile(place)}`);
}

/** The port itself when it is free on loopback; 0 for any. */
async function freePort(port: number): Promise<number | undefined> {
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

function passwordFile(place: Place): string {
  return path.join(place.folder, 'password');
}

function logFile(place: Place): string {
  return path.join(place.folder, 'server.log');
}

async function readPassword(place: Place): Promise<string> {
  return (await readFile(passwordFile(place), 'utf8')).trim();
}

function connectionUrl(password: string, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port.toString()}/postgres`;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
