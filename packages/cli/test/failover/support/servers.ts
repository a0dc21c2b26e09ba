// A Kafka and a ZooKeeper of a test file's own, which it kills and starts as it likes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startKafka, startZooKeeper, type KafkaOptions, type KafkaServer, type ZooKeeperServer } from '@tandem/stack';
import type { OwnServers } from './stacks.ts';

export interface Servers extends OwnServers {
  readonly kafka: KafkaServer;
  readonly keeper: ZooKeeperServer;
  stop(): Promise<void>;
}

export async function startServers(options: Pick<KafkaOptions, 'brokers' | 'properties'> = {}): Promise<Servers> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tandem-servers-'));
  const [kafka, keeper] = await Promise.all([
    startKafka({ dataDir: path.join(folder, 'kafka'), light: true, ...options }),
    startZooKeeper({ dataDir: path.join(folder, 'zookeeper') }),
  ]);
  return {
    kafka,
    keeper,
    bootstrap: kafka.bootstrap,
    zookeeper: keeper.address,
    stop: async () => {
      await Promise.all([kafka.stop(), keeper.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
