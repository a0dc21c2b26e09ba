// The systems around the nodes: a PostgreSQL server with a fresh database for each run; and with `kafka` also a broker,
// fresh topics, and ZooKeeper as the coordinator.
import { randomBytes } from 'node:crypto';
import { createDatabase, dropDatabase, startEmbedded } from '@tandem/embedded';
import { KafkaLogs, Pair, PostgresLogs, type LogAppender, type Logs, type PairOptions } from '@tandem/harness';
import { startKafka, startZooKeeper } from '@tandem/stack';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { StoreServer } from './store-server.ts';

/** The checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url));
const nodesFolder = path.join(root, '.tandem', 'bench-nodes');
export const partitions = 4;

/** Where progress goes; never standard output, which is for the result. */
export type Progress = (line: string) => void;

export const stackNames = ['postgres', 'kafka'] as const;
export type StackName = (typeof stackNames)[number];
export const clientNames = ['native', 'kafkajs'] as const;
export type ClientName = (typeof clientNames)[number];

/** One that may be killed and started again. */
export interface Server {
  kill(): Promise<void>;
  start(): Promise<void>;
}

export type ServerName = 'kafka' | 'zookeeper' | 'postgres';
type Servers = Readonly<Partial<Record<ServerName, Server>>>;

export class Stack {
  readonly url: string;
  /** Names and versions, for people. */
  readonly systems: string;
  readonly progress: Progress;
  readonly logs: Logs;
  readonly #zookeeper: string | undefined;
  readonly #servers: Servers;
  readonly #name: string;
  readonly #store: StoreServer | undefined;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(
    parts: { url: string; systems: string; logs: Logs; zookeeper: string | undefined; servers: Servers },
    name: string,
    store: StoreServer | undefined,
    progress: Progress,
  ) {
    this.url = parts.url;
    this.systems = parts.systems;
    this.logs = parts.logs;
    this.#zookeeper = parts.zookeeper;
    this.progress = progress;
    this.#servers = parts.servers;
    this.#name = name;
    this.#store = store;
    this.onClose(() => parts.logs.close());
  }

  /**
   * Embedded or started for this run, or those that DATABASE_URL, TANDEM_KAFKA and TANDEM_ZOOKEEPER name: there too in
   * a database and with topics and a folder of its own.
   */
  static async open(kind: StackName, client: ClientName, progress: Progress): Promise<Stack> {
    const given = process.env['DATABASE_URL'];
    const server =
      given === undefined ? await startEmbedded({ dataDir: path.join(root, '.tandem', 'bench') }) : undefined;
    const base = server?.url ?? given ?? '';
    const name = `bench_${process.pid.toString()}`;
    if (server?.reused === false) {
      await dropLeftovers(base);
      await rm(nodesFolder, { recursive: true, force: true });
    }
    await dropDatabase(base, name);
    const url = await createDatabase(base, name);
    const { logs, zookeeper, servers, stop } = kind === 'kafka' ? await openKafka(client, progress) : ofDatabase(url);
    const systems = kind === 'kafka' ? [new PostgresLogs(url), logs] : [logs];
    const described = await Promise.all(systems.map((one) => one.describe()));
    if (kind === 'kafka') await systems[0]?.close();
    const store = server === undefined ? undefined : new StoreServer(server);
    // Of a pair on PostgreSQL alone it is much more than the store; one that others use too is not ours to kill.
    const isOurs = kind === 'kafka' && server?.reused === false;
    const parts = {
      url,
      systems: described.join(', '),
      logs,
      zookeeper,
      servers: { ...servers, ...(isOurs && store !== undefined && { postgres: store }) },
    };
    const stack = new Stack(parts, name, store, progress);
    stack.onClose(stop);
    return stack;
  }

  /** Undone in reverse order when the stack is closed. */
  onClose(work: () => Promise<void>): void {
    this.#closing.push(work);
  }

  /** @throws Error when this run has not started it. */
  server(name: ServerName): Server {
    const server = this.#servers[name];
    if (server === undefined) {
      throw new Error(`${name} is not this run's own: use --stack kafka, without addresses in the environment`);
    }
    return server;
  }

  async writer(log: string, options: { readonly fast?: boolean } = {}): Promise<LogAppender> {
    const writer = await this.logs.writer(log, partitions, options);
    this.onClose(() => writer.close());
    return writer;
  }

  async client(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => undefined);
    await client.connect();
    this.onClose(() => client.end());
    return client;
  }

  /** Module paths are relative to the checkout. */
  async pair(options: Pick<PairOptions, 'apps' | 'nodes' | 'settings' | 'nodeFlags'>): Promise<Pair> {
    const folder = path.join(nodesFolder, this.#name);
    await mkdir(folder, { recursive: true });
    const { logs } = this;
    const zookeeper = this.#zookeeper === undefined ? {} : { zookeeper: this.#zookeeper };
    const pair = await Pair.create({
      ...options,
      ...zookeeper,
      logs,
      name: 'bench',
      root,
      folder,
      databaseUrl: this.url,
    });
    this.onClose(() => pair.kill());
    this.progress(`logs of the nodes: ${path.relative(process.cwd(), folder)}`);
    return pair;
  }

  async close(): Promise<void> {
    for (const work of this.#closing.splice(0).reverse()) await work().catch(() => undefined);
    await dropDatabase(this.url, this.#name);
    await this.#store?.stop();
  }
}

interface Opened {
  readonly logs: Logs;
  readonly zookeeper: string | undefined;
  readonly servers: Servers;
  readonly stop: () => Promise<void>;
}

function ofDatabase(url: string): Opened {
  return { logs: new PostgresLogs(url), zookeeper: undefined, servers: {}, stop: () => Promise.resolve() };
}

async function openKafka(client: ClientName, progress: Progress): Promise<Opened> {
  const folder = path.join(root, '.tandem', 'bench-stack');
  const started: { stop(): Promise<void> }[] = [];
  const servers: { kafka?: Server; zookeeper?: Server } = {};
  const givenKafka = process.env['TANDEM_KAFKA'];
  const givenZookeeper = process.env['TANDEM_ZOOKEEPER'];
  if (givenKafka === undefined || givenZookeeper === undefined) progress('starting Kafka and ZooKeeper');
  let bootstrap = givenKafka;
  if (bootstrap === undefined) {
    const kafka = await startKafka({ dataDir: path.join(folder, 'kafka'), fresh: true });
    started.push(kafka);
    const [broker] = kafka.brokers;
    if (broker !== undefined) servers.kafka = broker;
    bootstrap = kafka.bootstrap;
  }
  let address = givenZookeeper;
  if (address === undefined) {
    const zookeeper = await startZooKeeper({ dataDir: path.join(folder, 'zookeeper'), fresh: true });
    started.push(zookeeper);
    servers.zookeeper = zookeeper;
    address = zookeeper.address;
  }
  const run = `bench-${randomBytes(4).toString('hex')}`;
  return {
    logs: new KafkaLogs({ bootstrap, client, prefix: `${run}-` }),
    zookeeper: `${address}/${run}`,
    servers,
    stop: async () => {
      for (const server of started) await server.stop();
    },
  };
}

/** Of runs that were killed; only when no other run can be using the server. */
async function dropLeftovers(url: string): Promise<void> {
  const names = await ask(url, "SELECT string_agg(datname, ',') FROM pg_database WHERE starts_with(datname, 'bench_')");
  for (const name of names.split(',').filter(Boolean)) await dropDatabase(url, name);
}

async function ask(url: string, sql: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<(string | null)[]>({ text: sql, rowMode: 'array' });
    return rows[0]?.[0] ?? '';
  } finally {
    await client.end();
  }
}
