// The services of a simulated pair: coordinator, snapshot store, input log and sinks.
import type { Clock } from '@tandem/ports';
import { MemoryCoordination } from '../coordinator.ts';
import { MemorySinks } from '../publisher.ts';
import { MemoryRevisions } from '../snapshot-store.ts';
import { MemoryLog } from '../source-log.ts';
import type { Scenario } from './scenario.ts';

export class Services {
  readonly coordination: MemoryCoordination;
  readonly revisions = new MemoryRevisions();
  readonly log: MemoryLog;
  readonly sinks: MemorySinks;
  readonly #clock: Clock;
  readonly #partitions: number;
  readonly #outputs = new Map<string, MemoryLog>();

  constructor(scenario: Scenario, clock: Clock) {
    this.#clock = clock;
    this.#partitions = scenario.partitions;
    this.coordination = new MemoryCoordination({
      clock,
      sessionTimeout_ms: scenario.sessionTimeout_ms,
      activeEndsWithSession: scenario.activeEndsWithSession,
    });
    this.log = new MemoryLog({ clock, partitions: scenario.partitions, delay_ms: () => 0.05, pageRecords: 8 });
    this.sinks = new MemorySinks({ clock, fence: scenario.fence });
  }

  /** Where a sink's outputs go. */
  output(sink: string): MemoryLog {
    const log = this.#outputs.get(sink) ?? new MemoryLog({ clock: this.#clock, partitions: this.#partitions });
    this.#outputs.set(sink, log);
    return log;
  }
}
