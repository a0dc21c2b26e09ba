// What a lane needs of Kafka: bundled into every lane that reads or writes there.
import type { LaneAdapter } from '@tandem/ports';
import type { KafkaSinkBinding, KafkaSourceBinding, KafkaSystem } from './configuration.ts';
import { createKafkaPublisher } from './publisher.ts';
import { createKafkaSource } from './source-log.ts';

/** Its arguments have been checked by this package's schemas, on the other side of the thread's boundary. */
export const laneAdapter: LaneAdapter = {
  name: 'kafka',
  createSource(system, binding, context) {
    return createKafkaSource({
      system: system as KafkaSystem,
      binding: binding as KafkaSourceBinding,
      clock: context.clock,
      log: context.log.bind(context),
    });
  },
  createPublisher(system, sinks, scope, context) {
    const publisher = createKafkaPublisher({
      system: system as KafkaSystem,
      sinks: sinks.map(({ sink, binding }) => ({ sink, binding: binding as KafkaSinkBinding })),
      scope,
      clock: context.clock,
      log: context.log.bind(context),
    });
    return Promise.resolve(publisher);
  },
};
