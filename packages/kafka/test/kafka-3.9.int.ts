// All that is promised of sources and sinks once more on the oldest Kafka that is tested, on one broker.
import { describeWithStack, startKafka, type KafkaServer } from '@tandem/stack';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describePublishers } from './suites/publisher.ts';
import { describeTransactions } from './suites/publisher-transactions.ts';
import { describeSources } from './suites/source-log.ts';
import { clients, TestKafka } from './support/kafka.ts';

describeWithStack(
  'Kafka 3.9',
  () => {
    let folder: string;
    let server: KafkaServer;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tandem-kafka-3.9-'));
      server = await startKafka({ dataDir: folder, version: '3.9', light: true });
    }, 180_000);

    afterAll(async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }, 60_000);

    describe.each(clients)('by %s', (client) => {
      const open = (): Promise<TestKafka> => TestKafka.open(server.bootstrap, client);
      describeSources(open);
      describePublishers(open);
      describeTransactions(open);
    });
  },
  ['kafka-3.9'],
);
