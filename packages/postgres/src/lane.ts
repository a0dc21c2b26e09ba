// What a lane needs of PostgreSQL: bundled into every lane that reads or writes there.
import type { LaneAdapter } from '@tandem/ports';
import type { PostgresSystem } from './configuration.ts';
import type { PostgresSinkBinding, PostgresSourceBinding } from './log-configuration.ts';
import { createPostgresPublisher } from './publisher.ts';
import { createPostgresSource } from './source-log.ts';

/** Its arguments have been checked by this package's schemas, on the other side of the thread's boundary. */
export const laneAdapter: LaneAdapter = {
  name: 'postgres',
  createSource(system, binding, context) {
    return createPostgresSource({
      system: system as PostgresSystem,
      binding: binding as PostgresSourceBinding,
      clock: context.clock,
      node: `${context.app}/${String(context.lane)}`,
    });
  },
  createPublisher(system, sinks, scope, context) {
    return createPostgresPublisher({
      system: system as PostgresSystem,
      sinks: sinks.map(({ sink, binding }) => ({ sink, binding: binding as PostgresSinkBinding })),
      scope,
      clock: context.clock,
      log: context.log.bind(context),
      node: `${scope.app}/${String(scope.lane)}`,
    });
  },
};
