// What a lane answers when it is asked how it is.
import type { PublisherName } from '@tandem/pair';
import type { LaneStatus, TaskStatus } from './messages.ts';
import type { OpenSource } from './processor.ts';
import type { PublisherDriver } from './publisher-driver.ts';
import type { LaneTask, PublisherLayout } from './task.ts';
import type { TrimLag } from './trim-lag.ts';

export interface StatusParts {
  readonly tasks: readonly LaneTask[];
  readonly layouts: readonly PublisherLayout[];
  readonly sources: readonly OpenSource[];
  readonly drivers: readonly PublisherDriver[];
  readonly processor: { readonly paused: boolean; longestPause_ms: number };
  /** Of connecting, while that goes on. */
  readonly trouble: string | undefined;
  readonly inSync: boolean;
  readonly heap_bytes: number;
  readonly trimLag: TrimLag;
}

export function statusOf(parts: StatusParts): LaneStatus {
  const { tasks, drivers, processor } = parts;
  const longestPause_ms = processor.longestPause_ms;
  processor.longestPause_ms = 0;
  return {
    tasks: tasks.map((task) => taskStatus(task, parts)),
    metrics: {
      inputs: sum(tasks, (task) => task.inputs),
      outputs: sum(tasks, (task) => task.collector.made),
      published: sum(drivers, (driver) => driver.outputs),
      publishCalls: sum(drivers, (driver) => driver.calls),
      publishFailures: sum(drivers, (driver) => driver.failures),
      stateEntries: sum(tasks, (task) => sum(task.program.stores, (store) => store.size)),
      heap_bytes: parts.heap_bytes,
      longestPause_ms,
      trimLag: parts.trimLag,
    },
    troubles: [parts.trouble, ...parts.sources.map(sourceTrouble), ...drivers.map((driver) => driver.trouble)].filter(
      (trouble) => trouble !== undefined,
    ),
    inSync: parts.inSync,
  };
}

/** How many inputs the task is behind the end of its log; undefined until the end is known. */
export function lagOf(task: LaneTask, sources: readonly OpenSource[]): number | undefined {
  const end = endOf(task, sources);
  return end === undefined ? undefined : Math.max(0, end - task.position);
}

function endOf(task: LaneTask, sources: readonly OpenSource[]): number | undefined {
  for (const { source, reader } of sources) {
    if (source === task.identity.source) return reader.end(task.identity.partition);
  }
  return undefined;
}

function taskStatus(task: LaneTask, { layouts, sources, processor }: StatusParts): TaskStatus {
  const published: Record<PublisherName, string | null> = {};
  const queued: Record<string, number> = {};
  let queued_bytes = 0;
  for (const [index, { publisher, sinks }] of layouts.entries()) {
    const position = task.published[index];
    published[publisher] = position === undefined ? null : String(position);
    const queue = task.queues[index];
    if (queue === undefined) continue;
    queued_bytes += queue.size_bytes;
    for (const [number, { sink }] of sinks.entries()) queued[sink] = queue.depth(number);
  }
  const end = endOf(task, sources);
  return {
    task: task.identity.id,
    position: String(task.position),
    end: end === undefined ? null : String(end),
    lag_inputs: lagOf(task, sources) ?? null,
    published,
    queued,
    queued_bytes,
    paused: processor.paused,
    late: task.program.metrics.late,
    deadLettered: task.program.metrics.deadLettered,
  };
}

function sourceTrouble({ source, reader }: OpenSource): string | undefined {
  const trouble = reader.trouble();
  return trouble === undefined ? undefined : `source '${source}': ${trouble}`;
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}
