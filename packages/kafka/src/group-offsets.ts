// Commits published positions as a group's offsets, for people and their tools: kafka-consumer-groups shows the lag. They
// are never read here, and failing to write them is no failure.
import type { Position, Positions, TaskId } from '@tandem/pair';
import { toError, type LaneContext, type PublisherScope, type Timer } from '@tandem/ports';
import type { Cluster } from './cluster.ts';
import type { KafkaSourceBinding } from './configuration.ts';
import { offsetCommit } from './protocol.ts';
import { groupOf } from './positions-topic.ts';
import { persistently } from './retrying.ts';

const interval_ms = 1000;
const commitLimit_ms = 2000;

interface TaskPartition {
  readonly topic: string;
  readonly partition: number;
}

export class GroupOffsets {
  readonly #cluster: Cluster;
  readonly #group: string;
  readonly #log: LaneContext['log'];
  readonly #tasks = new Map<TaskId, TaskPartition>();
  readonly #waiting = new Map<TaskId, Position>();
  #timer: Timer | undefined;
  #underWay: Promise<void> | undefined;
  #hasFailed = false;

  constructor(cluster: Cluster, { pair, app, tasks, sources = [] }: PublisherScope, log: LaneContext['log']) {
    this.#cluster = cluster;
    this.#group = groupOf(pair, app);
    this.#log = log;
    for (const task of tasks) {
      const at = task.lastIndexOf('/');
      const source = sources.find((one) => one.source === task.slice(0, at) && one.adapter === 'kafka');
      if (source === undefined) continue;
      const { topic } = source.binding as KafkaSourceBinding;
      this.#tasks.set(task, { topic, partition: Number(task.slice(at + 1)) });
    }
  }

  /** Published by us, so the opening is ours; committed within a second. */
  note(positions: Positions): void {
    for (const [task, position] of positions) if (this.#tasks.has(task)) this.#waiting.set(task, position);
    if (this.#waiting.size === 0 || this.#timer !== undefined) return;
    this.#timer = this.#cluster.clock.after(interval_ms, () => {
      this.#timer = undefined;
      void this.flush();
    });
  }

  /** The opening is over: what was not committed is somebody else's to say. */
  drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.clear();
  }

  /** Never throws. */
  async flush(limit_ms = commitLimit_ms): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#underWay;
    if (this.#waiting.size === 0) return;
    const positions = new Map(this.#waiting);
    this.#waiting.clear();
    this.#underWay = this.#commit(positions, limit_ms).catch((thrown: unknown) => {
      if (this.#hasFailed || this.#cluster.isClosed) return;
      this.#hasFailed = true;
      const text = `offsets of group '${this.#group}' cannot be committed: tools will not show how far the app is; nothing else depends on them`;
      this.#log('warn', text, { cause: toError(thrown).message });
    });
    await this.#underWay;
    this.#underWay = undefined;
  }

  async #commit(positions: Positions, limit_ms: number): Promise<void> {
    const byTopic = new Map<string, { partitionIndex: number; committedOffset: bigint }[]>();
    for (const [task, position] of positions) {
      const at = this.#tasks.get(task);
      if (at === undefined) continue;
      const partitions = byTopic.get(at.topic) ?? [];
      byTopic.set(at.topic, partitions);
      partitions.push({ partitionIndex: at.partition, committedOffset: BigInt(position) });
    }
    const topics = [...byTopic].map(([name, partitions]) => ({
      name,
      partitions: partitions.map((one) => ({ ...one, committedLeaderEpoch: -1, committedMetadata: null })),
    }));
    const coordinator = { of: 'group', id: this.#group } as const;
    await persistently(this.#cluster, { coordinator }, limit_ms, async () => {
      const connection = await this.#cluster.connection(await this.#cluster.coordinator('group', this.#group), 'group');
      // Without a generation: nobody is a member of this group.
      await connection.send(offsetCommit, [this.#group, -1, '', null, topics]);
    });
  }
}
