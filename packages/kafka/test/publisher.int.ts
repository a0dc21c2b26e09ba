import { describeWithStack } from '@tandem/stack';
import { describePublishers } from './suites/publisher.ts';
import { clients, TestKafka } from './support/kafka.ts';

describe.each(clients)('by %s', (client) => {
  describeWithStack(
    'Kafka',
    () => {
      describePublishers(() => TestKafka.open(undefined, client));
    },
    ['kafka'],
  );
});
