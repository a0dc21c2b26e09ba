// One task of the app on this lane: its program and state, its queues, and how far it is.
import {
  OutputQueue,
  asPosition,
  taskId,
  type Position,
  type PublisherName,
  type QueueBudget,
  type TaskId,
} from '@tandem/pair';
import type { TaskProgram, Topology } from '@tandem/streams';
import { QueueCollector, type SinkRoute } from './collector.ts';

/** Which task this is. */
export interface TaskIdentity {
  readonly id: TaskId;
  /** Number within the whole app; stands for the task in a snapshot. */
  readonly number: number;
  readonly source: string;
  readonly partition: number;
}

/** A publisher of the lane and the sinks it writes, in its own order. */
export interface PublisherLayout {
  readonly publisher: PublisherName;
  readonly sinks: readonly { readonly sink: string; readonly partitions: number }[];
}

/** Every task of the app in a fixed order: by source as the topology names them, then by partition. */
export function tasksOf(sources: readonly { readonly source: string; readonly partitions: number }[]): TaskIdentity[] {
  const tasks: TaskIdentity[] = [];
  for (const { source, partitions } of sources) {
    for (let partition = 0; partition < partitions; partition++) {
      tasks.push({ id: taskId(source, partition), number: tasks.length, source, partition });
    }
  }
  return tasks;
}

export class LaneTask {
  readonly identity: TaskIdentity;
  readonly program: TaskProgram;
  readonly collector: QueueCollector;
  /** One per publisher of the lane, in their order. */
  readonly queues: readonly OutputQueue[];
  /** Durable published position per publisher, where it is known. */
  readonly published: (Position | undefined)[];
  /** Next input to be applied. */
  position: Position;
  inputs = 0;

  constructor(
    identity: TaskIdentity,
    topology: Topology,
    layouts: readonly PublisherLayout[],
    budget: QueueBudget,
    start: Position,
  ) {
    this.identity = identity;
    this.position = start;
    this.queues = layouts.map(
      (layout) => new OutputQueue({ task: identity.id, sinkCount: layout.sinks.length, budget, start }),
    );
    this.published = layouts.map(() => undefined);
    const routes = topology.sinks.map((sink) => routeOf(sink, layouts, this.queues));
    this.collector = new QueueCollector(routes, this.queues, identity.partition);
    this.program = topology.createTask(identity.source, identity.partition, this.collector);
  }

  /** The input at `position` has been applied. */
  endInput(position: number): void {
    this.collector.endInput(position);
    this.position = (position + 1) as Position;
    this.inputs++;
  }

  /** Nothing below `position` is left to be applied: logs may skip some. */
  advanceTo(position: Position): void {
    if (position <= this.position) return;
    this.position = asPosition(position);
    for (const queue of this.queues) queue.advanceTo(position);
  }

  close(): void {
    for (const queue of this.queues) queue.close();
  }
}

function routeOf(sink: string, layouts: readonly PublisherLayout[], queues: readonly OutputQueue[]): SinkRoute {
  for (const [index, layout] of layouts.entries()) {
    const number = layout.sinks.findIndex((other) => other.sink === sink);
    const queue = queues[index];
    const partitions = layout.sinks[number]?.partitions;
    if (queue !== undefined && partitions !== undefined) return { queue, sink: number, partitions };
  }
  throw new Error(`sink '${sink}' has no publisher`);
}
