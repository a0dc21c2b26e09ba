// One Kafka process, broker and controller in one: its configuration, its storage, its start and its end.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { exists, until } from '@tandem/embedded';
import { lastLines, stackError } from './error.ts';
import { JvmServer } from './jvm-server.ts';
import { kafkaRuntime, type KafkaRuntime, type KafkaVersion } from './kafka-runtime.ts';
import { kafkaAnswers } from './network.ts';
import { whileLocked } from './ownership.ts';
import { run } from './program.ts';

/** What is fixed when a folder is first used, and how it was run last. */
export interface Cluster {
  readonly version: KafkaVersion;
  readonly clusterId: string;
  readonly light: boolean;
  readonly properties: Readonly<Record<string, string>>;
  /** Beside the plain one. */
  readonly listeners: Listeners;
  readonly nodes: readonly {
    readonly id: number;
    readonly port: number;
    readonly controllerPort: number;
    /** In the order of `listeners`. */
    readonly listenerPorts: readonly number[];
  }[];
}

type Protocol = 'PLAINTEXT' | 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT';

/**
 * Kafka's security protocol by name of the listener (capital letters). With an address, brokers tell their clients that
 * they are there: of a proxy, and so for a single broker.
 */
export type Listeners = Readonly<
  Record<string, Protocol | { readonly protocol: Protocol; readonly advertised: string }>
>;

const heap = '512m';
const formatLimit_ms = 60_000;
const answerLimit_ms = 10_000;
const stopLimit_ms = 10_000;

/** Below the folder of the cluster. */
export function nodeFolder(id: number): string {
  return `broker-${id.toString()}`;
}

export class KafkaNode {
  readonly id: number;
  readonly address: string;
  readonly #cluster: Cluster;
  readonly #clusterFolder: string;
  readonly #folder: string;
  readonly #server: JvmServer;
  readonly #runtime: () => Promise<KafkaRuntime>;

  constructor(
    clusterFolder: string,
    cluster: Cluster,
    id: number,
    runtime: () => Promise<KafkaRuntime> = () => kafkaRuntime(cluster.version),
  ) {
    this.#runtime = runtime;
    this.id = id;
    this.address = `127.0.0.1:${portsOf(cluster, id).port.toString()}`;
    this.#cluster = cluster;
    this.#clusterFolder = clusterFolder;
    this.#folder = path.join(clusterFolder, nodeFolder(id));
    this.#server = new JvmServer({
      title: `Kafka ${cluster.version} broker ${id.toString()}`,
      folder: this.#folder,
      sign: this.#configuration,
    });
  }

  /** Where a listener of this name is. */
  addressOf(listener: string): string {
    const at = Object.keys(this.#cluster.listeners).indexOf(listener);
    const port = portsOf(this.#cluster, this.id).listenerPorts[at];
    if (port === undefined) throw new Error(`there is no listener ${listener}`);
    return `127.0.0.1:${port.toString()}`;
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
    await whileLocked(this.#clusterFolder, () => this.startLocked());
  }

  /** With the lock of the cluster's folder held. One that runs but does not answer is replaced. */
  async startLocked(): Promise<void> {
    if (this.running) {
      if (await until(answerLimit_ms, 50, async () => ((await kafkaAnswers(this.address)) ? true : undefined))) return;
      await this.kill();
    }
    const { java, options } = await this.#runtime();
    await mkdir(this.#folder, { recursive: true });
    await writeFile(this.#configuration, toText(this.#properties()));
    if (!(await exists(path.join(this.#data, 'meta.properties')))) await this.#format();
    const { port, controllerPort, listenerPorts } = portsOf(this.#cluster, this.id);
    await this.#server.launch(
      java,
      [port, controllerPort, ...listenerPorts],
      [
        '-Xms128m',
        `-Xmx${heap}`,
        ...(this.#cluster.light ? ['-XX:TieredStopAtLevel=1'] : []),
        `-XX:ErrorFile=${path.join(this.#folder, 'crash.log')}`,
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
        '-Dorg.slf4j.simpleLogger.showDateTime=true',
        ...options,
        'kafka.Kafka',
        this.#configuration,
      ],
    );
    // It says so when it may serve; the port alone opens earlier.
    await this.#server.ready(
      async (said) => said.includes('Kafka Server started') && (await kafkaAnswers(this.address)),
    );
  }

  async stop(limit_ms = stopLimit_ms): Promise<void> {
    await this.#server.terminate(limit_ms);
  }

  async removeData(): Promise<void> {
    await rm(this.#data, { recursive: true, force: true });
  }

  get #configuration(): string {
    return path.join(this.#folder, 'server.properties');
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  async #format(): Promise<void> {
    const { version, clusterId } = this.#cluster;
    const { java, options } = await kafkaRuntime(version);
    const format = ['kafka.tools.StorageTool', 'format', '--ignore-formatted'];
    const done = await run(
      java,
      ['-Xmx128m', '-XX:TieredStopAtLevel=1', ...options, ...format, '-t', clusterId, '-c', this.#configuration],
      { limit_ms: formatLimit_ms },
    );
    if (done.failure === undefined) return;
    throw stackError(
      'stack-start',
      `Kafka could not prepare ${this.#data} (${done.failure}): ${lastLines(done.output)}`,
    );
  }

  #properties(): Readonly<Record<string, string>> {
    const { nodes, properties, listeners } = this.#cluster;
    const { port, controllerPort } = portsOf(this.#cluster, this.id);
    const replicas = Math.min(nodes.length, 3).toString();
    const inSync = nodes.length < 3 ? '1' : '2';
    const more = Object.keys(listeners).map((name) => `${name}://${this.addressOf(name)}`);
    const plain = `PLAINTEXT://127.0.0.1:${port.toString()}`;
    const protocols = Object.entries(listeners).map(
      ([name, listener]) => `${name}:${typeof listener === 'string' ? listener : listener.protocol}`,
    );
    const advertised = Object.entries(listeners).map(
      ([name, listener]) => `${name}://${typeof listener === 'string' ? this.addressOf(name) : listener.advertised}`,
    );
    return {
      'process.roles': 'broker,controller',
      'node.id': this.id.toString(),
      'controller.quorum.voters': nodes
        .map((node) => `${node.id.toString()}@127.0.0.1:${node.controllerPort.toString()}`)
        .join(','),
      listeners: [plain, `CONTROLLER://127.0.0.1:${controllerPort.toString()}`, ...more].join(','),
      'advertised.listeners': [plain, ...advertised].join(','),
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': ['CONTROLLER:PLAINTEXT', 'PLAINTEXT:PLAINTEXT', ...protocols].join(','),
      'log.dirs': this.#data,
      'auto.create.topics.enable': 'false',
      // Retention goes by the records' own timestamps, and tests and benchmarks have them from years ago.
      'log.retention.ms': '-1',
      'default.replication.factor': replicas,
      'min.insync.replicas': inSync,
      'offsets.topic.replication.factor': replicas,
      'offsets.topic.num.partitions': '4',
      'transaction.state.log.replication.factor': replicas,
      'transaction.state.log.min.isr': inSync,
      'transaction.state.log.num.partitions': '4',
      'share.coordinator.state.topic.replication.factor': replicas,
      'share.coordinator.state.topic.min.isr': inSync,
      'group.initial.rebalance.delay.ms': '0',
      'log.cleaner.dedupe.buffer.size': '4194304',
      'num.network.threads': '2',
      'num.io.threads': '4',
      // A killed broker is known to be gone, and may come back, after three seconds rather than nine.
      'broker.heartbeat.interval.ms': '500',
      'broker.session.timeout.ms': '3000',
      ...properties,
    };
  }
}

function portsOf(cluster: Cluster, id: number): Cluster['nodes'][number] {
  const found = cluster.nodes.find((node) => node.id === id);
  if (found === undefined) throw new Error(`no broker ${id.toString()} in this cluster`);
  return found;
}

/** In the syntax of Java's properties files, where a backslash escapes. */
function toText(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`)
    .join('');
}
