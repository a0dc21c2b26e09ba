// The systems under a demo, started for it or named by the environment, and what a reset means on each.
import { randomBytes } from 'node:crypto';
import { createDatabase, dropDatabase, startEmbedded } from '@tandem/embedded';
import { KafkaLogs, PostgresLogs, type Logs } from '@tandem/harness';
import { startKafka, startZooKeeper } from '@tandem/stack';
import path from 'node:path';

export const stackNames = ['postgres', 'kafka'] as const;
export type StackName = (typeof stackNames)[number];

export interface SystemsOptions {
  readonly stack: StackName;
  readonly name: string;
  readonly reset: boolean;
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

export interface Systems {
  /** Name of the pair: another one where a reset cannot throw away what an earlier run left. */
  readonly run: string;
  readonly logs: Logs;
  readonly databaseUrl: string;
  readonly zookeeper: string | undefined;
  readonly postgres: string;
  readonly described: string;
  /** One line each, for people who want to have a look. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

interface Database {
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** `folder`: where servers keep their data. */
export async function openSystems(folder: string, options: SystemsOptions): Promise<Systems> {
  const database = await openDatabase(folder, options);
  try {
    return options.stack === 'postgres' ? onDatabase(database) : await onKafka(folder, options, database);
  } catch (thrown) {
    await database.stop();
    throw thrown;
  }
}

async function openDatabase(folder: string, { name, reset, keep, say }: SystemsOptions): Promise<Database> {
  const given = process.env['DATABASE_URL'];
  if (given === undefined) say('starting PostgreSQL');
  const server =
    given === undefined ? await startEmbedded({ dataDir: path.join(folder, 'demo'), keepRunning: keep }) : undefined;
  const stop = async (): Promise<void> => {
    if (!keep) await server?.stop();
  };
  try {
    const base = server?.url ?? given ?? '';
    const database = `tandem_${name.replaceAll('-', '_')}`;
    if (reset) await dropDatabase(base, database);
    const url = await createDatabase(base, database);
    const logs = new PostgresLogs(url);
    const version = (await logs.describe()).replace('PostgreSQL ', '');
    await logs.close();
    return { url, version, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

function onDatabase(database: Database): Systems {
  const { url, version } = database;
  const logs = new PostgresLogs(url);
  return {
    run: 'demo',
    logs,
    databaseUrl: url,
    zookeeper: undefined,
    postgres: version,
    described: `PostgreSQL ${version}`,
    addresses: [`the database is still up: ${url}`],
    close: async () => {
      await logs.close();
      await database.stop();
    },
  };
}

async function onKafka(folder: string, options: SystemsOptions, database: Database): Promise<Systems> {
  const { name, reset, keep, say } = options;
  const servers: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    if (!keep) for (const server of servers) await server.stop();
  };
  const given = { kafka: process.env['TANDEM_KAFKA'], zookeeper: process.env['TANDEM_ZOOKEEPER'] };
  if (given.kafka === undefined || given.zookeeper === undefined) say('starting Kafka and ZooKeeper');
  try {
    // Servers of this demo alone begin without data; on others a reset is another name.
    const start = { fresh: reset, keepRunning: keep };
    const own = (system: string) => path.join(folder, `${name}-stack`, system);
    let bootstrap = given.kafka;
    if (bootstrap === undefined) {
      const kafka = await startKafka({ ...start, dataDir: own('kafka') });
      servers.push(kafka);
      bootstrap = kafka.bootstrap;
    }
    let address = given.zookeeper;
    if (address === undefined) {
      const zookeeper = await startZooKeeper({ ...start, dataDir: own('zookeeper') });
      servers.push(zookeeper);
      address = zookeeper.address;
    }
    const isShared = given.kafka !== undefined || given.zookeeper !== undefined;
    const run = isShared ? `${name}${reset ? `-${randomBytes(4).toString('hex')}` : ''}` : 'demo';
    const logs = new KafkaLogs({ bootstrap, prefix: `${run}-` });
    return {
      run,
      logs,
      databaseUrl: database.url,
      zookeeper: `${address}/${run}`,
      postgres: database.version,
      described: `${await logs.describe()}, ZooKeeper, PostgreSQL ${database.version}`,
      addresses: [
        `Kafka is still up: ${bootstrap} (topics ${run}-...)`,
        `ZooKeeper is still up: ${address} (under /${run})`,
        `the database is still up: ${database.url}`,
      ],
      close: async () => {
        await logs.close();
        await stop();
        await database.stop();
      },
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
