// What an adapter package offers to a lane: factories that take checked configuration.
import type { Clock } from './clock.ts';
import type { Publisher, PublisherScope } from './publisher.ts';
import type { SourceLog } from './source-log.ts';

/** A named sink and its part of the configuration, checked by the adapter's own schema, plain JSON. */
export interface SinkBinding {
  readonly sink: string;
  readonly binding: unknown;
}

export interface LaneContext {
  readonly pair: string;
  readonly app: string;
  readonly lane: number;
  readonly clock: Clock;
  /** For what a person should know; never secrets. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * Exported as `laneAdapter` by each adapter's `lane` entry; bundled into the lanes that use it. `system` is the
 * checked configuration of the external system (addresses, credentials), plain JSON.
 */
export interface LaneAdapter {
  readonly name: string;
  createSource(system: unknown, binding: unknown, context: LaneContext): Promise<SourceLog>;
  /** `scope.tasks` may be filled in after the sources' partitions are known, so it is given here. */
  createPublisher(
    system: unknown,
    sinks: readonly SinkBinding[],
    scope: PublisherScope,
    context: LaneContext,
  ): Promise<Publisher>;
}
