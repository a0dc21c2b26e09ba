// One stand-alone ZooKeeper on loopback, in a folder that keeps its data.
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { otherOwners, until, type Guarded } from '@tandem/embedded';
import { TandemError } from '@tandem/ports';
import { stackError } from './error.ts';
import { fetchJars } from './jars.ts';
import { requireJava } from './java.ts';
import { JvmServer, pidName } from './jvm-server.ts';
import { choosePorts, zooKeeperAnswers } from './network.ts';
import { release, startOwned, whileLocked } from './ownership.ts';

export interface ZooKeeperOptions {
  /** Kept between runs; holds data, port, configuration and log. */
  readonly dataDir: string;
  /** Default 100. */
  readonly tickTime_ms?: number;
  /** Default: two ticks. */
  readonly minSessionTimeout_ms?: number;
  /** Default 60,000. */
  readonly maxSessionTimeout_ms?: number;
  /** On 127.0.0.1, used where free. Default: that of the last run, else any. */
  readonly port?: number;
  /** It outlives this process; without it a guard ends it when its last owner is gone. */
  readonly keepRunning?: boolean;
  /** Data of an earlier run is thrown away, unless the server still runs. */
  readonly fresh?: boolean;
}

export interface ZooKeeperServer {
  readonly address: string;
  /** Of its last run. */
  readonly pid: number;
  readonly running: boolean;
  /** @throws TandemError when it does not run. */
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Again, on the same data and port; resolves when it serves. Nothing to do where it runs. */
  start(): Promise<void>;
  /** Lets go of it; it is stopped unless another live process uses it too. */
  stop(): Promise<void>;
}

interface Settings {
  readonly tickTime_ms: number;
  readonly minSessionTimeout_ms: number;
  readonly maxSessionTimeout_ms: number;
}

interface Known {
  readonly settings: Settings;
  readonly port: number;
}

const heap = '128m';
const answerLimit_ms = 3000;
const stopLimit_ms = 10_000;
const startTries = 3;

/** Starts the server, or goes on with the one that runs on this folder already. @throws TandemError */
export async function startZooKeeper(options: ZooKeeperOptions): Promise<ZooKeeperServer> {
  const folder = path.resolve(options.dataDir);
  const { tickTime_ms = 100 } = options;
  const { minSessionTimeout_ms = 2 * tickTime_ms, maxSessionTimeout_ms = 60_000 } = options;
  const settings: Settings = { tickTime_ms, minSessionTimeout_ms, maxSessionTimeout_ms };
  for (const [name, value] of Object.entries(settings)) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw stackError('stack-usage', `${name}: ${String(value)} is not a whole number of milliseconds`);
  }
  // Before the lock: this may take a while.
  await fetchJars('zookeeper-3.9');
  const guarded: Guarded = { pidFiles: [pidName], sign: folder, signals: ['SIGTERM', 'SIGKILL'] };
  return await startOwned(folder, options.keepRunning === true ? 'keep running' : guarded, async () => {
    for (let tries = 1; ; tries++) {
      const server = new Server(folder, await settle(folder, settings, options));
      try {
        await server.startLocked();
        return server;
      } catch (thrown) {
        // Somebody took the port after it was chosen.
        const again = thrown instanceof TandemError && thrown.code === 'stack-port';
        if (!again || tries === startTries) throw thrown;
      }
    }
  });
}

/** The server of this folder when it runs. Does not make the caller an owner of it. */
export async function findZooKeeper(dataDir: string): Promise<ZooKeeperServer | undefined> {
  const folder = path.resolve(dataDir);
  const known = await readKnown(folder);
  if (known === undefined) return undefined;
  const server = new Server(folder, known);
  return server.running ? server : undefined;
}

/** What to run: what runs on this folder already, or these settings on a port that is free. */
async function settle(folder: string, settings: Settings, options: ZooKeeperOptions): Promise<Known> {
  const known = await readKnown(folder);
  if (known !== undefined) {
    const server = new Server(folder, known);
    const othersUse = (await otherOwners(folder)) > 0;
    if (isDeepStrictEqual(known.settings, settings) && (server.running || othersUse)) return known;
    if (othersUse) {
      throw stackError(
        'stack-data',
        `another process uses the ZooKeeper of ${folder} with other settings. Choose another folder`,
      );
    }
    await server.terminate();
    if (options.fresh === true) await server.removeData();
  }
  const [port = 0] = await choosePorts([options.port ?? known?.port]);
  const chosen: Known = { settings, port };
  const file = knownFile(folder);
  await writeFile(`${file}.part`, JSON.stringify(chosen, undefined, 2));
  await rename(`${file}.part`, file);
  return chosen;
}

async function readKnown(folder: string): Promise<Known | undefined> {
  const text = await readFile(knownFile(folder), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Known);
}

function knownFile(folder: string): string {
  return path.join(folder, 'server.json');
}

class Server implements ZooKeeperServer {
  readonly address: string;
  readonly #folder: string;
  readonly #known: Known;
  readonly #server: JvmServer;

  constructor(folder: string, known: Known) {
    this.address = `127.0.0.1:${known.port.toString()}`;
    this.#folder = folder;
    this.#known = known;
    this.#server = new JvmServer({ title: 'ZooKeeper', folder, sign: this.#configuration });
  }

  get pid(): number {
    return this.#server.pid;
  }

  get running(): boolean {
    return this.#server.running;
  }

  signal(name: NodeJS.Signals): void {
    this.#server.signal(name);
  }

  async kill(): Promise<void> {
    await this.#server.kill();
  }

  async start(): Promise<void> {
    await whileLocked(this.#folder, () => this.startLocked());
  }

  async stop(): Promise<void> {
    await release(this.#folder, () => this.terminate());
  }

  async terminate(): Promise<void> {
    await this.#server.terminate(stopLimit_ms);
  }

  async removeData(): Promise<void> {
    await rm(this.#data, { recursive: true, force: true });
  }

  /** With the folder's lock held. One that runs but does not answer is replaced. */
  async startLocked(): Promise<void> {
    if (this.running) {
      if (await until(answerLimit_ms, 50, async () => ((await this.#answers()) ? true : undefined))) return;
      await this.kill();
    }
    const { program } = await requireJava();
    const classpath = path.join(await fetchJars('zookeeper-3.9'), '*');
    await writeFile(this.#configuration, this.#text());
    await this.#server.launch(
      program,
      [this.#known.port],
      [
        `-Xmx${heap}`,
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        `-XX:ErrorFile=${path.join(this.#folder, 'crash.log')}`,
        '-Dzookeeper.jmx.log4j.disable=true',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-Dorg.slf4j.simpleLogger.showDateTime=true',
        '-cp',
        classpath,
        'org.apache.zookeeper.server.ZooKeeperServerMain',
        this.#configuration,
      ],
    );
    await this.#server.ready(() => this.#answers());
  }

  #answers(): Promise<boolean> {
    return zooKeeperAnswers(this.address);
  }

  get #configuration(): string {
    return path.join(this.#folder, 'zoo.cfg');
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  #text(): string {
    const { settings, port } = this.#known;
    return [
      `dataDir=${this.#data.replaceAll('\\', '\\\\')}`,
      `clientPort=${port.toString()}`,
      'clientPortAddress=127.0.0.1',
      `tickTime=${settings.tickTime_ms.toString()}`,
      `minSessionTimeout=${settings.minSessionTimeout_ms.toString()}`,
      `maxSessionTimeout=${settings.maxSessionTimeout_ms.toString()}`,
      'maxClientCnxns=0',
      'admin.enableServer=false',
      '4lw.commands.whitelist=*',
      '',
    ].join('\n');
  }
}
