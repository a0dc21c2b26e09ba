import { describeWithStack } from '@tandem/stack';
import { describeSources } from './suites/source-log.ts';
import { clients, TestKafka } from './support/kafka.ts';

describe.each(clients)('by %s', (client) => {
  describeWithStack(
    'Kafka',
    () => {
      describeSources(() => TestKafka.open(undefined, client));
    },
    ['kafka'],
  );
});
