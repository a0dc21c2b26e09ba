import { createKafkaSource, kafkaSourceSchema, type SourceOptions } from '@tandem/kafka';
import { describeSourceLog } from '@tandem/ports/contract';
import { describeWithStack } from '@tandem/stack';
import { clock, until } from './support/clock.ts';
import { proxied, TestKafka } from './support/kafka.ts';

const quick = { retryFirst_ms: 5, retryMost_ms: 50, endPoll_ms: 50 };

describeWithStack(
  'Kafka',
  () => {
    let kafka: TestKafka;

    beforeAll(async () => {
      kafka = await TestKafka.open();
    }, 120_000);

    afterAll(async () => {
      await kafka.close();
    });

    const source = (topic: string, more: Partial<SourceOptions> = {}) =>
      createKafkaSource({
        system: kafka.system(),
        binding: kafkaSourceSchema.parse({ topic }),
        clock,
        log: () => undefined,
        settings: quick,
        ...more,
      });

    describeSourceLog('a topic', async () => {
      const topic = await kafka.topic(kafka.newName(), 3);
      const link = await proxied(kafka.brokers);
      const { proxies, addressOf } = link;
      return {
        create: () => source(topic, { settings: { ...quick, addressOf } }),
        append: (partition, records) => kafka.append(topic, partition, records),
        appendAndUndo: (partition, records) => kafka.appendAndUndo(topic, partition, records),
        isSparse: true,
        drop: (partition, before) => kafka.drop(topic, partition, before),
        breakConnections: () => {
          for (const proxy of proxies) proxy.breakLinks();
          return Promise.resolve();
        },
        cut: () => {
          for (const proxy of proxies) proxy.die();
          return Promise.resolve();
        },
        heal: () => {
          for (const proxy of proxies) proxy.revive();
          return Promise.resolve();
        },
        until,
        settle: (work) => work,
        dispose: () => link.close(),
      };
    });
  },
  ['kafka'],
);
