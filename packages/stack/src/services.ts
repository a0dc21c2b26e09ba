// The three services of the stack as the command sees them: how each is named, asked, found, started and ended here.
import path from 'node:path';
import { findEmbedded, startEmbedded } from '@tandem/embedded';
import { findKafka, startKafka } from './kafka.ts';
import { isFree, isReachable, kafkaAnswers, zooKeeperAnswers } from './network.ts';
import { upFolder } from './place.ts';
import { findZooKeeper, startZooKeeper } from './zookeeper.ts';

export interface Running {
  readonly address: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Service {
  /** Also of its container. */
  readonly name: 'kafka' | 'zookeeper' | 'postgres';
  readonly title: string;
  /** Holds its address, where there is one already; what `up` prints. */
  readonly variable: string;
  readonly defaultPort: number;
  /** Of the container, as seen from outside. */
  inDocker(port: number): string;
  answers(address: string): Promise<boolean>;
  /** The process that `start` left running. */
  find(): Promise<Running | undefined>;
  /** To be found by later processes. */
  start(): Promise<Running>;
}

const kafka: Service = {
  name: 'kafka',
  title: 'Kafka',
  variable: 'TANDEM_KAFKA',
  defaultPort: 9092,
  inDocker: (port) => `127.0.0.1:${port.toString()}`,
  answers: anyOf(kafkaAnswers),
  find: async () => {
    const server = await findKafka(folder('kafka'));
    return server === undefined ? undefined : asRunning(server);
  },
  start: async () =>
    asRunning(await startKafka({ dataDir: folder('kafka'), ports: [kafka.defaultPort], keepRunning: true })),
};

const zookeeper: Service = {
  name: 'zookeeper',
  title: 'ZooKeeper',
  variable: 'TANDEM_ZOOKEEPER',
  defaultPort: 2181,
  inDocker: (port) => `127.0.0.1:${port.toString()}`,
  answers: anyOf(zooKeeperAnswers),
  find: async () => await findZooKeeper(folder('zookeeper')),
  start: () => startZooKeeper({ dataDir: folder('zookeeper'), port: zookeeper.defaultPort, keepRunning: true }),
};

const postgres: Service = {
  name: 'postgres',
  title: 'PostgreSQL',
  variable: 'DATABASE_URL',
  defaultPort: 5432,
  inDocker: (port) => `postgres://postgres:tandem@127.0.0.1:${port.toString()}/postgres`,
  answers: async (url) => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    return parsed !== undefined && (await isReachable(`${parsed.hostname}:${parsed.port || '5432'}`));
  },
  find: async () => {
    const server = await findEmbedded(folder('postgres'));
    return server === undefined ? undefined : { ...server, address: server.url };
  },
  start: async () => {
    const { defaultPort } = postgres;
    const port = (await isFree(defaultPort)) ? { port: defaultPort } : {};
    const server = await startEmbedded({ dataDir: folder('postgres'), ...port, keepRunning: true });
    return { ...server, address: server.url };
  },
};

export const services: readonly Service[] = [kafka, zookeeper, postgres];

function folder(name: string): string {
  return path.join(upFolder, name);
}

/** Of several addresses with commas between them, one that answers is enough. ZooKeeper's may end with a path. */
function anyOf(answers: (address: string) => Promise<boolean>): (addresses: string) => Promise<boolean> {
  return async (addresses) => {
    const [hosts = ''] = addresses.split('/');
    const answered = await Promise.all(hosts.split(',').map((address) => answers(address.trim())));
    return answered.includes(true);
  };
}

function asRunning(server: Awaited<ReturnType<typeof startKafka>>): Running {
  const { bootstrap, brokers } = server;
  return { address: bootstrap, pid: brokers[0]?.pid ?? 0, stop: () => server.stop() };
}
