import { describeWithStack } from '@tandem/stack';
import { describeTransactions } from './suites/publisher-transactions.ts';
import { clients, TestKafka } from './support/kafka.ts';

describe.each(clients)('by %s', (client) => {
  describeWithStack(
    'a publisher on Kafka',
    () => {
      describeTransactions(() => TestKafka.open(undefined, client));
    },
    ['kafka'],
  );
});
