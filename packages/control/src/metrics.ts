// What a node tells Prometheus. Everything is read when it is scraped; every metric is described in docs/metrics.md.
import type { AppCondition, AppName, AppOutput, Role } from '@tandem/pair';
import { trimLagBounds_ms, type LaneStatus, type TrimLag } from '@tandem/lane';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';

export interface AppMetricsInput {
  readonly app: AppName;
  readonly condition: AppCondition;
  readonly output: AppOutput;
  readonly inSync: boolean;
  readonly laneRestarts: number;
  readonly diverged: boolean;
  /** Of this process. */
  readonly digests: { readonly taken: number; readonly compared: number; readonly divergences: number };
  /** By lane number, as last reported; undefined where a lane has not reported yet: its series are left out. */
  readonly lanes: readonly (LaneStatus | undefined)[];
  /** Of snapshots taken by this process, for a peer or for the store. */
  readonly snapshots: {
    readonly taken: number;
    readonly failed: number;
    /** From the request to the last byte; undefined before the first. */
    readonly lastTook_ms: number | undefined;
  };
  /** Of revisions stored by this process. */
  readonly revisions: {
    readonly stored: number;
    readonly failed: number;
    /** The newest one stored. */
    readonly last: { readonly revision: number; readonly size_bytes: number; readonly at_ms: number } | undefined;
  };
}

export interface MetricsInput {
  readonly pair: string;
  readonly node: string;
  readonly incarnation: string;
  readonly role: Role;
  readonly epoch: number | null;
  readonly coordinatorConnected: boolean;
  readonly linkOpen: boolean;
  /** Times that this process became active, for whatever reason. */
  readonly promotions: number;
  /** Those of them that nobody asked for: the active before it had gone. */
  readonly failovers: number;
  readonly apps: readonly AppMetricsInput[];
}

export interface Metrics {
  /** Prometheus text; scrapes that overlap share one. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Names of our own metrics, without those of the process. */
  readonly names: readonly string[];
}

type Labels = Readonly<Record<string, string>>;
type Fill = (input: MetricsInput) => void;
/** Sets one series of a metric. */
type Put = (value: number, labels?: Labels) => void;

const roles: Readonly<Record<Role, true>> = {
  joining: true,
  syncing: true,
  passive: true,
  promoting: true,
  active: true,
  demoting: true,
  stopped: true,
};
const conditions: Readonly<Record<AppCondition, true>> = {
  loading: true,
  restoring: true,
  unborn: true,
  inactive: true,
  replaying: true,
  'in-sync': true,
  failed: true,
};
const outputs: Readonly<Record<AppOutput, true>> = { closed: true, opening: true, live: true, 'stepping-down': true };

export function createMetrics(collect: () => MetricsInput | Promise<MetricsInput>): Metrics {
  const registry = new Registry();
  const series = new Series(registry);
  const fillers = [nodeSeries(series), appSeries(series), taskSeries(series), laneSeries(series)];
  const names = series.names();
  // By default the lag of the event loop is sampled 100 times a second, much of what an idle node does at all.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });

  const scrape = async (): Promise<{ contentType: string; body: string }> => {
    const input = await collect();
    series.clear();
    for (const fill of fillers) fill(input);
    return { contentType: registry.contentType, body: await registry.metrics() };
  };
  let running: ReturnType<typeof scrape> | undefined;
  return {
    names,
    scrape: () => {
      running ??= scrape().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

/** Metrics whose values are all known at once: cleared and put anew for each scrape. */
class Series {
  readonly #registry: Registry;
  readonly #metrics = new Map<string, { reset(): void }>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): Put {
    const gauge = new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    this.#metrics.set(name, gauge);
    return (value, labels = {}) => {
      gauge.set(labels, value);
    };
  }

  /** Counted elsewhere; one that starts again at zero is what Prometheus expects after a restart. */
  counter(name: string, help: string, labelNames: readonly string[] = []): Put {
    const counter = new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    this.#metrics.set(name, counter);
    return (value, labels = {}) => {
      counter.inc(labels, value);
    };
  }

  clear(): void {
    for (const metric of this.#metrics.values()) metric.reset();
  }

  names(): string[] {
    return [...this.#metrics.keys()];
  }
}

function nodeSeries(series: Series): Fill {
  const info = series.gauge('tandem_node_info', 'Always 1; says which process this is.', [
    'pair',
    'node',
    'incarnation',
  ]);
  const role = series.gauge('tandem_role', '1 for the role that the node is in, 0 for the others.', ['role']);
  const epoch = series.gauge('tandem_epoch', 'The newest epoch that the node knows; 0 before the first claim.');
  const coordinator = series.gauge('tandem_coordinator_connected', '1 while the coordinator answers.');
  const link = series.gauge('tandem_link_open', '1 while the link to the other node is open.');
  const promotions = series.counter('tandem_promotions_total', 'Times that this process became active.');
  const failovers = series.counter(
    'tandem_failovers_total',
    'Promotions that nobody asked for: the active before had gone.',
  );
  return (input) => {
    info(1, { pair: input.pair, node: input.node, incarnation: input.incarnation });
    oneOf(role, 'role', roles, input.role);
    epoch(input.epoch ?? 0);
    coordinator(input.coordinatorConnected ? 1 : 0);
    link(input.linkOpen ? 1 : 0);
    promotions(input.promotions);
    failovers(input.failovers);
  };
}

function appSeries(series: Series): Fill {
  const condition = series.gauge('tandem_app_condition', '1 for the condition that the app is in.', [
    'app',
    'condition',
  ]);
  const output = series.gauge('tandem_app_output', '1 for the state of its publishers on this node.', [
    'app',
    'output',
  ]);
  const inSync = series.gauge('tandem_app_in_sync', '1 while it is caught up to within the lag limit.', ['app']);
  const diverged = series.gauge('tandem_app_diverged', "1 from when it differed until it has the active's state.", [
    'app',
  ]);
  const digests = series.counter('tandem_digests_total', 'Digests taken of its tasks.', ['app']);
  const compared = series.counter('tandem_digests_compared_total', "Digests compared with the active's.", ['app']);
  const divergences = series.counter('tandem_divergences_total', "Times that it differed from the active's.", ['app']);
  const restarts = series.counter('tandem_lane_restarts_total', 'Restarts of its lanes after a failure.', ['app']);
  const taken = series.counter('tandem_snapshots_total', 'Snapshots taken, for the peer or the store.', ['app']);
  const failed = series.counter('tandem_snapshot_failures_total', 'Snapshots that did not come to an end.', ['app']);
  const took = series.gauge('tandem_snapshot_take_seconds', 'From request to last byte of the newest snapshot.', [
    'app',
  ]);
  const stored = series.counter('tandem_revisions_stored_total', 'Revisions stored by this process.', ['app']);
  const notStored = series.counter('tandem_revision_failures_total', 'Revisions that could not be stored.', ['app']);
  const number = series.gauge('tandem_revision_number', 'Number of the newest revision it stored.', ['app']);
  const size = series.gauge('tandem_revision_size_bytes', 'Stored size of the newest revision it stored.', ['app']);
  const time = series.gauge('tandem_revision_timestamp_seconds', 'When it was stored, Unix time.', ['app']);
  return (input) => {
    for (const { app, ...state } of input.apps) {
      oneOf(condition, 'condition', conditions, state.condition, { app });
      oneOf(output, 'output', outputs, state.output, { app });
      inSync(state.inSync ? 1 : 0, { app });
      diverged(state.diverged ? 1 : 0, { app });
      digests(state.digests.taken, { app });
      compared(state.digests.compared, { app });
      divergences(state.digests.divergences, { app });
      restarts(state.laneRestarts, { app });
      taken(state.snapshots.taken, { app });
      failed(state.snapshots.failed, { app });
      if (state.snapshots.lastTook_ms !== undefined) took(state.snapshots.lastTook_ms / 1000, { app });
      stored(state.revisions.stored, { app });
      notStored(state.revisions.failed, { app });
      if (state.revisions.last === undefined) continue;
      number(state.revisions.last.revision, { app });
      size(state.revisions.last.size_bytes, { app });
      time(state.revisions.last.at_ms / 1000, { app });
    }
  };
}

function taskSeries(series: Series): Fill {
  const task = ['app', 'task'];
  const position = series.gauge('tandem_task_position', 'Offset of the next input not yet applied.', task);
  const end = series.gauge('tandem_task_end', 'Offset of the next input to be appended to the log.', task);
  const lag = series.gauge('tandem_task_lag_inputs', 'Inputs in the log that are not yet applied.', task);
  const paused = series.gauge('tandem_task_paused', '1 while its input is paused because the queue is full.', task);
  const published = series.gauge(
    'tandem_task_published_position',
    'Every output of every input before it is durably published.',
    ['app', 'task', 'publisher'],
  );
  const queued = series.gauge('tandem_queue_outputs', 'Outputs that wait to be published.', ['app', 'task', 'sink']);
  const queuedBytes = series.gauge('tandem_queue_bytes', 'Bytes of the outputs that wait.', task);
  const late = series.counter('tandem_late_inputs_total', 'Inputs dropped because their window had closed.', task);
  const dead = series.counter('tandem_dead_lettered_inputs_total', 'Inputs sent to the dead-letter sink.', task);
  return (input) => {
    for (const { app, lanes } of input.apps) {
      for (const status of lanes.flatMap((lane) => lane?.tasks ?? [])) {
        const labels = { app, task: status.task };
        position(Number(status.position), labels);
        if (status.end !== null) end(Number(status.end), labels);
        if (status.lag_inputs !== null) lag(status.lag_inputs, labels);
        paused(status.paused ? 1 : 0, labels);
        for (const [publisher, text] of Object.entries(status.published)) {
          if (text !== null) published(Number(text), { ...labels, publisher });
        }
        for (const [sink, count] of Object.entries(status.queued)) queued(count, { ...labels, sink });
        queuedBytes(status.queued_bytes, labels);
        late(status.late, labels);
        dead(status.deadLettered, labels);
      }
    }
  };
}

function laneSeries(series: Series): Fill {
  const lane = ['app', 'lane'];
  const inputs = series.counter('tandem_inputs_total', 'Inputs applied since the lane started.', lane);
  const made = series.counter('tandem_outputs_total', 'Outputs made since the lane started, queued or not.', lane);
  const published = series.counter('tandem_published_outputs_total', 'Outputs that this node published.', lane);
  const calls = series.counter('tandem_publish_calls_total', 'Transactions or calls that published.', lane);
  const failures = series.counter('tandem_publish_failures_total', 'Attempts to publish that failed.', lane);
  const entries = series.gauge('tandem_state_entries', 'Entries in all stores of the lane.', lane);
  const heap = series.gauge('tandem_lane_heap_bytes', 'Heap in use by the worker thread of the lane.', lane);
  const pause = series.gauge(
    'tandem_lane_longest_pause_seconds',
    'Longest pause between two turns of its processing loop in the last minute.',
    lane,
  );
  // A histogram, counted by the lane: in prom-client only its own can be of that type.
  const trimLag = {
    bucket: series.counter('tandem_trim_lag_seconds_bucket', 'Trims of queues, by their lag at most.', [...lane, 'le']),
    sum: series.counter('tandem_trim_lag_seconds_sum', "From the active's publishing to the trim, all trims.", lane),
    count: series.counter('tandem_trim_lag_seconds_count', 'Trims of queues that the active told of.', lane),
  };
  const troubles = series.gauge('tandem_lane_troubles', 'What keeps its sources and publishers from work.', lane);
  return (input) => {
    for (const { app, lanes } of input.apps) {
      for (const [index, status] of lanes.entries()) {
        if (status === undefined) continue;
        const labels = { app, lane: String(index) };
        inputs(status.metrics.inputs, labels);
        made(status.metrics.outputs, labels);
        published(status.metrics.published, labels);
        calls(status.metrics.publishCalls, labels);
        failures(status.metrics.publishFailures, labels);
        entries(status.metrics.stateEntries, labels);
        heap(status.metrics.heap_bytes, labels);
        pause(status.metrics.longestPause_ms / 1000, labels);
        troubles(status.troubles.length, labels);
        putHistogram(trimLag, status.metrics.trimLag, labels);
      }
    }
  };
}

function putHistogram(to: Readonly<Record<'bucket' | 'sum' | 'count', Put>>, lag: TrimLag, labels: Labels): void {
  let count = 0;
  for (const [index, more] of lag.counts.entries()) {
    count += more;
    const bound_ms = trimLagBounds_ms[index];
    to.bucket(count, { ...labels, le: bound_ms === undefined ? '+Inf' : String(bound_ms / 1000) });
  }
  to.sum(lag.sum_ms / 1000, labels);
  to.count(count, labels);
}

/** One series per possible value of a state: 1 for the one it is, 0 for the others. */
function oneOf(put: Put, label: string, all: Readonly<Record<string, true>>, current: string, more: Labels = {}): void {
  for (const value of Object.keys(all)) put(value === current ? 1 : 0, { ...more, [label]: value });
}
