// The servers of one run, started for it alone so that they may be killed, in a folder of their own.
import path from 'node:path';
import { createDatabase, startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { KafkaLogs, PostgresLogs, waitFor, type Gate, type Logs } from '@tandem/harness';
import { startKafka, startZooKeeper } from '@tandem/stack';
import type { Server, StackName, System } from './faults/fault.ts';

export interface Systems {
  readonly logs: Logs;
  /** Of the database, without a proxy. */
  readonly url: string;
  /** Where PostgreSQL keeps its data. */
  readonly dataFolder: string;
  /** host:port/path, without a proxy. */
  readonly zookeeper: string | undefined;
  readonly servers: Readonly<Partial<Record<System, Server>>>;
  /** Names and versions, for people. */
  readonly described: string;
  close(): Promise<void>;
}

export type GateOf = (node: string, system: System) => Gate;

/** Points the gates at the servers. @throws when one cannot be started; then none runs. */
export async function openSystems(
  stack: StackName,
  folder: string,
  nodes: readonly string[],
  gateOf: GateOf,
): Promise<Systems> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const work of closing.splice(0).reverse()) await work();
  };
  try {
    const postgres = await Database.start(path.join(folder, 'postgres'));
    closing.push(() => postgres.stop());
    const url = await createDatabase(postgres.url, 'chaos');
    for (const node of nodes) gateOf(node, 'postgres').target = postgres.port;
    const common = { url, dataFolder: postgres.dataFolder, close };
    const database = new PostgresLogs(url);
    const version = await database.describe();
    if (stack === 'postgres') {
      closing.push(() => database.close());
      return { ...common, logs: database, zookeeper: undefined, servers: { postgres }, described: version };
    }
    await database.close();
    const zookeeper = await startZooKeeper({ dataDir: path.join(folder, 'zookeeper') });
    closing.push(() => zookeeper.stop());
    for (const node of nodes) gateOf(node, 'zookeeper').target = portOf(zookeeper.address);
    // Brokers tell clients where to go on: each node has a listener, of which they say that it is where the gate is.
    const listenerOf = (node: string) => `NODE_${node.toUpperCase()}`;
    const advertised = (node: string) => `127.0.0.1:${gateOf(node, 'kafka').port.toString()}`;
    const kafka = await startKafka({
      dataDir: path.join(folder, 'kafka'),
      light: true,
      listeners: Object.fromEntries(
        nodes.map((node) => [listenerOf(node), { protocol: 'PLAINTEXT', advertised: advertised(node) } as const]),
      ),
    });
    closing.push(() => kafka.stop());
    for (const node of nodes) gateOf(node, 'kafka').target = portOf(kafka.bootstrapOf(listenerOf(node)));
    const [broker] = kafka.brokers;
    if (broker === undefined) throw new Error('Kafka has no broker');
    const logs = new KafkaLogs({ bootstrap: kafka.bootstrap, prefix: 'chaos-' });
    closing.push(() => logs.close());
    return {
      ...common,
      logs,
      zookeeper: `${zookeeper.address}/chaos`,
      servers: { postgres, zookeeper, kafka: broker },
      described: `${await logs.describe()}, ZooKeeper, ${version}`,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function portOf(address: string): number {
  return Number(address.split(':')[1]);
}

/** PostgreSQL that can be killed. */
class Database implements Server {
  readonly #folder: string;
  #server: EmbeddedServer;

  private constructor(folder: string, server: EmbeddedServer) {
    this.#folder = folder;
    this.#server = server;
  }

  static async start(folder: string): Promise<Database> {
    return new Database(folder, await launch(folder));
  }

  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get dataFolder(): string {
    return path.join(this.#server.dataDir, 'data');
  }

  async kill(): Promise<void> {
    const { pid } = this.#server;
    process.kill(pid, 'SIGKILL');
    await waitFor('PostgreSQL is gone', { limit_ms: 30_000 }, () => {
      try {
        process.kill(pid, 0);
        return undefined;
      } catch {
        return true;
      }
    });
  }

  async start(): Promise<void> {
    this.#server = await launch(this.#folder, this.port);
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}

async function launch(dataDir: string, port?: number): Promise<EmbeddedServer> {
  // What was committed survives the death of a process without fsync; the machine's own is not among the faults.
  const settings = { fsync: 'off', shared_buffers: '128MB', max_connections: '100' };
  return await startEmbedded({ dataDir, settings, ...(port !== undefined && { port }) });
}
