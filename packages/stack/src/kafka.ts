// Apache Kafka in KRaft mode: each process is broker and controller, on loopback, in a folder that keeps its data.
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { otherOwners, type Guarded } from '@tandem/embedded';
import { TandemError } from '@tandem/ports';
import { stackError } from './error.ts';
import { pidName } from './jvm-server.ts';
import { prepareKafka } from './kafka-archive.ts';
import { KafkaNode, nodeFolder, type Cluster, type Listeners } from './kafka-node.ts';
import type { KafkaVersion } from './kafka-runtime.ts';
import { choosePorts } from './network.ts';
import { release, startOwned } from './ownership.ts';

export interface KafkaOptions {
  /** Kept between runs; holds data, ports, configuration and logs. */
  readonly dataDir: string;
  /** Default 4.1. A folder with data stays with the version that wrote it. */
  readonly version?: KafkaVersion;
  /** Default 1. From 3 on topics have three replicas, two of which must be in sync. */
  readonly brokers?: number;
  /** Properties of the brokers, over ours. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Listeners beside the plain one; certificates and logins of theirs are properties. */
  readonly listeners?: Listeners;
  /** Of the brokers, on 127.0.0.1, used where free. Default: those of the last run, else any. */
  readonly ports?: readonly number[];
  /** Compiles less: starts with half the work and serves more slowly. For tests. */
  readonly light?: boolean;
  /** They outlive this process; without it a guard ends them when their last owner is gone. */
  readonly keepRunning?: boolean;
  /** Data of an earlier run is thrown away, unless the brokers still run. */
  readonly fresh?: boolean;
}

export interface KafkaServer {
  /** `127.0.0.1:p1,127.0.0.1:p2` */
  readonly bootstrap: string;
  /** The same for another listener. */
  bootstrapOf(listener: string): string;
  readonly brokers: readonly KafkaBroker[];
  /** Lets go of it; it is stopped unless another live process uses it too. */
  stop(): Promise<void>;
}

export interface KafkaBroker {
  readonly id: number;
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
}

const startTries = 3;

/** Starts the brokers, or goes on with those that run on this folder already. @throws TandemError */
export async function startKafka(options: KafkaOptions): Promise<KafkaServer> {
  const folder = path.resolve(options.dataDir);
  const { version = '4.1', brokers = 1, properties = {}, listeners = {}, light = false } = options;
  if (!Number.isInteger(brokers) || brokers < 1) {
    throw stackError('stack-usage', `${String(brokers)} is not a number of brokers. Give 1 or more`);
  }
  // Before the lock: this may take a while.
  await prepareKafka(version);
  const guarded: Guarded = {
    pidFiles: Array.from({ length: brokers }, (_, index) => path.join(nodeFolder(index + 1), pidName)),
    sign: folder,
    signals: brokers > 1 ? ['SIGKILL'] : ['SIGTERM', 'SIGKILL'],
  };
  return await startOwned(folder, options.keepRunning === true ? 'keep running' : guarded, async () => {
    for (let tries = 1; ; tries++) {
      const cluster = await settle({ ...options, folder, version, brokers, properties, listeners, light });
      const nodes = nodesOf(folder, cluster);
      const down = nodes.filter(({ running }) => !running);
      try {
        await Promise.all(nodes.map((node) => node.startLocked()));
        return serverOf(folder, nodes);
      } catch (thrown) {
        await stopAll(down);
        // Somebody took a port after it was chosen.
        const again = thrown instanceof TandemError && thrown.code === 'stack-port' && down.length === nodes.length;
        if (!again || tries === startTries) throw thrown;
      }
    }
  });
}

/** The brokers of this folder when one of them runs. Does not make the caller an owner of them. */
export async function findKafka(dataDir: string): Promise<KafkaServer | undefined> {
  const folder = path.resolve(dataDir);
  const cluster = await readCluster(folder);
  if (cluster === undefined) return undefined;
  const nodes = nodesOf(folder, cluster);
  return nodes.some(({ running }) => running) ? serverOf(folder, nodes) : undefined;
}

function serverOf(folder: string, nodes: readonly KafkaNode[]): KafkaServer {
  return {
    bootstrap: nodes.map(({ address }) => address).join(','),
    bootstrapOf: (listener) => nodes.map((node) => node.addressOf(listener)).join(','),
    brokers: nodes,
    stop: () => release(folder, () => stopAll(nodes)),
  };
}

function nodesOf(folder: string, cluster: Cluster): readonly KafkaNode[] {
  return cluster.nodes.map(({ id }) => new KafkaNode(folder, cluster, id));
}

/** Several that are asked to stop wait for each other until a limit, so they are killed; what they wrote stays. */
async function stopAll(nodes: readonly KafkaNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => (nodes.length > 1 ? node.kill() : node.stop())));
}

interface Wanted {
  readonly folder: string;
  readonly version: KafkaVersion;
  readonly brokers: number;
  readonly light: boolean;
  readonly properties: Readonly<Record<string, string>>;
  readonly listeners: Listeners;
  readonly ports?: readonly number[];
  readonly fresh?: boolean;
}

/** What to run on this folder: what runs there, what its data was written by with ports that are free now, or anew. */
async function settle(wanted: Wanted): Promise<Cluster> {
  const { folder } = wanted;
  const known = await readCluster(folder);
  if (known === undefined) return await plan(wanted, undefined);
  const nodes = nodesOf(folder, known);
  const sameData = known.version === wanted.version && known.nodes.length === wanted.brokers;
  const isSetAlike =
    isDeepStrictEqual(known.properties, wanted.properties) && isDeepStrictEqual(known.listeners, wanted.listeners);
  const same = sameData && known.light === wanted.light && isSetAlike;
  const inUse = nodes.some(({ running }) => running);
  const othersUse = (await otherOwners(folder)) > 0;
  if (same && (inUse || othersUse)) return known;
  if (othersUse) {
    throw stackError(
      'stack-data',
      `another process uses the Kafka of ${folder} with other settings. Choose another folder`,
    );
  }
  if (!sameData && wanted.fresh !== true) {
    throw stackError(
      'stack-data',
      `${folder} holds the data of Kafka ${known.version} with ${known.nodes.length.toString()} broker(s), not of ` +
        `${wanted.version} with ${wanted.brokers.toString()}. Choose another folder, or remove it`,
    );
  }
  await stopAll(nodes);
  if (wanted.fresh !== true) return await plan(wanted, known);
  await Promise.all(nodes.map((node) => node.removeData()));
  return await plan(wanted, undefined);
}

async function plan(wanted: Wanted, known: Cluster | undefined): Promise<Cluster> {
  const ids = Array.from({ length: wanted.brokers }, (_, index) => index + 1);
  const names = Object.keys(wanted.listeners);
  const ports = await choosePorts([
    ...ids.map((_, index) => wanted.ports?.[index] ?? known?.nodes[index]?.port),
    ...ids.map((_, index) => known?.nodes[index]?.controllerPort),
    ...ids.flatMap((_, index) => names.map((__, at) => known?.nodes[index]?.listenerPorts[at])),
  ]);
  const cluster: Cluster = {
    version: wanted.version,
    clusterId: known?.clusterId ?? newClusterId(),
    light: wanted.light,
    properties: wanted.properties,
    listeners: wanted.listeners,
    nodes: ids.map((id, index) => ({
      id,
      port: ports[index] ?? 0,
      controllerPort: ports[ids.length + index] ?? 0,
      listenerPorts: ports.slice(ids.length * 2).slice(index * names.length, (index + 1) * names.length),
    })),
  };
  const file = clusterFile(wanted.folder);
  await writeFile(`${file}.part`, JSON.stringify(cluster, undefined, 2));
  await rename(`${file}.part`, file);
  return cluster;
}

async function readCluster(folder: string): Promise<Cluster | undefined> {
  const text = await readFile(clusterFile(folder), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  return JSON.parse(text) as Cluster;
}

function clusterFile(folder: string): string {
  return path.join(folder, 'cluster.json');
}

/** 16 bytes as Kafka writes them. The storage tool would take a leading dash for an option. */
function newClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
