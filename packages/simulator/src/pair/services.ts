// The services of a simulated pair: coordinator, snapshot store, input log and sinks.
import type { AppName, Positions } from '@tandem/pair';
import type { Clock } from '@tandem/ports';
import { MemoryCoordination } from '../coordinator.ts';
import { MemorySinks } from '../publisher.ts';
import { MemoryRevisions } from '../snapshot-store.ts';
import { MemoryLog } from '../source-log.ts';
import { MemoryEndpoint } from '../unfenced-publisher.ts';
import type { Scenario } from './scenario.ts';

/** What was published of an app, in the sinks with a fence and in the one without. */
export interface PublishedPositions {
  readonly fenced: Positions;
  readonly unfenced: Positions;
}

export class Services {
  readonly coordination: MemoryCoordination;
  readonly revisions: MemoryRevisions;
  readonly log: MemoryLog;
  readonly sinks: MemorySinks;
  /** Takes what anybody sends. */
  readonly endpoint = new MemoryEndpoint();
  /** What has been published to it. */
  readonly endpointPositions: MemorySinks;
  readonly #clock: Clock;
  readonly #partitions: number;
  readonly #outputs = new Map<string, MemoryLog>();

  constructor(
    scenario: Scenario,
    clock: Clock,
    kept: { readonly log?: MemoryLog; readonly revisions?: MemoryRevisions } = {},
  ) {
    const { partitions } = scenario;
    this.#clock = clock;
    this.#partitions = partitions;
    this.coordination = new MemoryCoordination({
      clock,
      sessionTimeout_ms: scenario.sessionTimeout_ms,
      activeEndsWithSession: scenario.activeEndsWithSession,
    });
    this.revisions = kept.revisions ?? new MemoryRevisions();
    this.log = kept.log ?? new MemoryLog({ clock, partitions, delay_ms: () => 0.05, pageRecords: 8 });
    this.sinks = new MemorySinks({ clock, fence: scenario.fence });
    this.endpointPositions = new MemorySinks({ clock });
  }

  published(app: AppName): PublishedPositions {
    const scope = { pair: 'pair', app };
    return { fenced: this.sinks.positions(scope), unfenced: this.endpointPositions.positions(scope) };
  }

  /** As if that had been published, and the app begun, by others before. */
  begin(app: AppName, published: PublishedPositions, before: Services): void {
    const scope = { pair: 'pair', app };
    this.sinks.begin(scope, published.fenced);
    this.endpointPositions.begin(scope, published.unfenced);
    const record = before.coordination.readRecord(app)?.record;
    if (record !== undefined) this.coordination.writeRecord(app, record, undefined);
  }

  /** Where a sink's outputs go. */
  output(sink: string): MemoryLog {
    const log = this.#outputs.get(sink) ?? new MemoryLog({ clock: this.#clock, partitions: this.#partitions });
    this.#outputs.set(sink, log);
    return log;
  }
}
