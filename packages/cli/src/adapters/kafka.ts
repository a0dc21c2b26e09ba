// Kafka: sources and sinks.
import {
  describeCluster,
  examineKafka,
  forgetPublished,
  highestPublished,
  kafkaSecrets,
  kafkaSinkSchema,
  kafkaSourceSchema,
  kafkaSystemSchema,
  prepareTopics,
  readPublished,
  type AppTopics,
  type KafkaSystem,
  type KafkaUse,
} from '@tandem/kafka';
import type { Adapter, SystemContext } from '../adapters.ts';

const systemOf = (context: SystemContext): KafkaSystem => context.system as KafkaSystem;

export const kafka: Adapter = {
  name: 'kafka',
  system: kafkaSystemSchema,
  laneModule: '@tandem/kafka/lane',
  source: kafkaSourceSchema,
  sink: kafkaSinkSchema,
  prepare: (context, apps) => prepareTopics(systemOf(context), context.pair, apps as readonly AppTopics[]),
  reach: (context) => describeCluster(systemOf(context)),
  examine: ({ system, pair, clock }, { apps, persistence }) =>
    examineKafka(system as KafkaSystem, {
      pair,
      clock,
      persistenceInterval_ms: persistence.interval_ms,
      apps: apps as KafkaUse['apps'],
    }),
  published(context) {
    const target = { system: systemOf(context), clock: context.clock, pair: context.pair };
    return {
      highestEpoch: (app) => highestPublished(target, app),
      async read(app) {
        const lanes = (await readPublished(target, app)).filter(({ positions }) => positions.size > 0);
        return lanes.map(({ lane, epoch, positions }) => {
          const shown = [...positions].map(([task, position]) => `${task}:${String(position)}`).join(' ');
          return `what kafka has published in lane ${String(lane)}, last in epoch ${String(epoch)}: ${shown}`;
        });
      },
      forget: (app) => forgetPublished(target, app),
    };
  },
  secrets: (system) => kafkaSecrets(system as KafkaSystem),
};
