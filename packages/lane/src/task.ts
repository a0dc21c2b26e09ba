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
import type { OutputsHash } from '@tandem/snapshot';
import { QueueCollector, type SinkRoute } from './collector.ts';
import type { TaskDigest } from './messages.ts';

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

/** What every task of a lane has in common. */
export interface TaskSetting {
  readonly topology: Topology;
  readonly layouts: readonly PublisherLayout[];
  readonly budget: QueueBudget;
  /** Digest points are the multiples of this; 0: there are none. */
  readonly digestEvery_inputs: number;
  onDigest(digest: TaskDigest): void;
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
  /** Before an input at this position or above it is applied, a digest is due. */
  nextDigest = Number.POSITIVE_INFINITY;
  readonly #setting: TaskSetting;
  /** Since when the queues keep their hashes. */
  #outputsSince: Position;
  #lastDigest: number | undefined;

  constructor(identity: TaskIdentity, setting: TaskSetting, start: Position) {
    const { topology, layouts, budget, digestEvery_inputs } = setting;
    const hashes = digestEvery_inputs > 0;
    this.identity = identity;
    this.position = start;
    this.#setting = setting;
    this.#outputsSince = start;
    this.queues = layouts.map(
      (layout) => new OutputQueue({ task: identity.id, sinkCount: layout.sinks.length, budget, start, hashes }),
    );
    this.published = layouts.map(() => undefined);
    const routes = topology.sinks.map((sink) => routeOf(sink, layouts, this.queues));
    this.collector = new QueueCollector(routes, this.queues, identity.partition);
    this.program = topology.createTask(identity.source, identity.partition, this.collector);
    if (!hashes) return;
    for (const store of this.program.stores) store.noteChanges();
    this.nextDigest = Math.ceil(start / digestEvery_inputs) * digestEvery_inputs;
  }

  /** To go into a snapshot; undefined where none is kept. */
  get outputsHash(): OutputsHash | undefined {
    if (this.#setting.digestEvery_inputs === 0) return undefined;
    return { since: String(this.#outputsSince), hashes: this.queues.map((queue) => queue.outputsHash) };
  }

  /** It has been restored: its queues' hashes begin at `since` and not where it was cut. */
  hashesSince(since: Position): void {
    this.#outputsSince = since;
  }

  /**
   * Nothing below `position`, which is at or above `nextDigest`, is left to be applied, and nothing from there on has
   * been: the digest of the last digest point there is due. Where a log skips positions, those between have none.
   */
  digestBefore(position: number): void {
    this.#takeDigest(position - (position % this.#setting.digestEvery_inputs));
  }

  /** The digest of where it is, unless that has been taken. */
  digestHere(): void {
    if (this.#lastDigest !== this.position) this.#takeDigest(this.position);
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
    if (position >= this.nextDigest) this.digestBefore(position);
  }

  close(): void {
    for (const queue of this.queues) queue.close();
  }

  #takeDigest(at: number): void {
    const { digestEvery_inputs, layouts } = this.#setting;
    this.#lastDigest = at;
    this.nextDigest = at - (at % digestEvery_inputs) + digestEvery_inputs;
    const outputs = layouts
      .map(({ publisher }, index) => ({ publisher, hash: this.queues[index]?.outputsHash ?? 0 }))
      .toSorted((one, other) => (one.publisher < other.publisher ? -1 : 1))
      .map(({ hash }) => (hash >>> 0).toString(16).padStart(8, '0'))
      .join('');
    this.#setting.onDigest({
      task: this.identity.id,
      position: String(at),
      state: this.program.digest(),
      outputs,
      since: String(this.#outputsSince),
    });
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
