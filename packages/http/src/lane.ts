// What a lane needs to send its outputs by HTTP: bundled into every lane that does.
import { TandemError, type LaneAdapter } from '@tandem/ports';
import type { HttpSinkBinding, HttpSystem } from './configuration.ts';
import { createHttpPublisher } from './publisher.ts';

/** Its arguments have been checked by this package's schemas, on the other side of the thread's boundary. */
export const laneAdapter: LaneAdapter = {
  name: 'http',
  createSource() {
    return Promise.reject(new TandemError('internal', 'http has no sources'));
  },
  createPublisher(system, sinks, scope, context) {
    return createHttpPublisher({
      system: system as HttpSystem,
      sinks: sinks.map(({ sink, binding }) => ({ sink, binding: binding as HttpSinkBinding })),
      scope,
      clock: context.clock,
      log: context.log.bind(context),
      node: `${scope.app}/${String(scope.lane)}`,
    });
  },
};
