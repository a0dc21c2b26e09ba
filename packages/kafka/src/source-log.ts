// A topic as a source: read without a group, from positions that Tandem keeps by itself.
import { asPosition, type Position } from '@tandem/pair';
import {
  TandemError,
  toError,
  type Clock,
  type LaneContext,
  type SourceLog,
  type SourceReader,
  type StartFrom,
} from '@tandem/ports';
import { Cluster, type ClusterSettings } from './cluster.ts';
import type { KafkaSourceBinding, KafkaSystem } from './configuration.ts';
import { BrokerError } from './errors.ts';
import { findOffset } from './offsets.ts';
import { earliestOffset, latestOffset, readCommitted, readUncommitted } from './protocol.ts';
import { KafkaReader, type ReaderSettings } from './source-log-reader.ts';
import { isCompacted, requireTopic, topicSettings } from './topic-facts.ts';

export interface SourceOptions {
  /** The system's checked configuration. */
  readonly system: KafkaSystem;
  readonly binding: KafkaSourceBinding;
  readonly clock: Clock;
  readonly log: LaneContext['log'];
  readonly settings?: Partial<ReaderSettings & ClusterSettings>;
}

/** Pages of all partitions together, at most. */
const readAhead_bytes = 32 << 20;

const defaults: ReaderSettings = {
  page_bytes: 1 << 20,
  longPoll_ms: 500,
  shortPoll_ms: 5,
  endPoll_ms: 150,
  answerLimit_ms: 10_000,
  retryFirst_ms: 20,
  retryMost_ms: 1000,
};

/** @throws TandemError where the topic is not there, may not be read, or is not fit to be a source. */
export async function createKafkaSource(options: SourceOptions): Promise<KafkaSource> {
  const { system, binding, clock, settings, log } = options;
  const cluster = new Cluster({ system, clock, ...(settings !== undefined && { settings }) });
  try {
    const topic = await requireTopic(cluster, binding.topic);
    await refuseCompacted(cluster, binding, log);
    return new KafkaSource(cluster, topic.leaders.length, options);
  } catch (thrown) {
    await cluster.close();
    throw thrown;
  }
}

/** A replay of a compacted topic is not what was read before: state and outputs would differ (design, 5). */
async function refuseCompacted(
  cluster: Cluster,
  { topic, compacted }: KafkaSourceBinding,
  log: LaneContext['log'],
): Promise<void> {
  if (compacted) return;
  const settings = await topicSettings(cluster, topic, ['cleanup.policy']);
  if (settings instanceof BrokerError) {
    log('warn', `whether topic '${topic}' is compacted is not known`, { cause: settings.message });
    return;
  }
  if (!isCompacted(settings.get('cleanup.policy') ?? '')) return;
  throw new TandemError(
    'source-compacted',
    `topic '${topic}' is compacted: after a restart some of its records are not there to be read again. Use a topic with cleanup.policy=delete, or say compacted: true if the app comes to the same without them`,
    { blame: 'user' },
  );
}

export class KafkaSource implements SourceLog {
  readonly #cluster: Cluster;
  readonly #partitions: number;
  readonly #options: SourceOptions;
  readonly #settings: ReaderSettings;
  readonly #readers = new Set<SourceReader>();

  constructor(cluster: Cluster, partitions: number, options: SourceOptions) {
    this.#cluster = cluster;
    this.#partitions = partitions;
    this.#options = options;
    this.#settings = { ...defaults, ...options.settings };
  }

  partitions(): Promise<number> {
    return Promise.resolve(this.#partitions);
  }

  async bounds(partition: number): Promise<{ readonly first: Position; readonly end: Position }> {
    const [first, end] = await Promise.all([
      this.#find(partition, earliestOffset, readUncommitted),
      this.#find(partition, latestOffset, readCommitted),
    ]);
    return { first: asPosition(first), end: asPosition(end) };
  }

  async resolve(partition: number, startFrom: StartFrom): Promise<Position> {
    if (startFrom === 'earliest') return asPosition(await this.#find(partition, earliestOffset, readUncommitted));
    const end = await this.#find(partition, latestOffset, readCommitted);
    if (startFrom === 'latest') return asPosition(end);
    const found = await this.#find(partition, BigInt(startFrom.time_ms), readCommitted);
    return asPosition(found < 0 ? end : found);
  }

  read(positions: ReadonlyMap<number, Position>): SourceReader {
    const { system, clock, settings, binding } = this.#options;
    const share_bytes = Math.floor(readAhead_bytes / Math.max(1, positions.size));
    const page_bytes = Math.max(64 << 10, Math.min(this.#settings.page_bytes, share_bytes));
    const cluster = new Cluster({ system, clock, ...(settings !== undefined && { settings }) });
    const reader = new KafkaReader(cluster, binding.topic, positions, { ...this.#settings, page_bytes });
    this.#readers.add(reader);
    return reader;
  }

  releaseBefore(): Promise<void> {
    // Topics keep their own retention.
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    this.#readers.clear();
    await this.#cluster.close();
  }

  async #find(partition: number, timestamp: bigint, isolation: number): Promise<number> {
    if (partition < 0 || partition >= this.#partitions) {
      const last = String(this.#partitions - 1);
      throw new RangeError(
        `topic '${this.#options.binding.topic}' has partitions 0 to ${last}, not ${String(partition)}`,
      );
    }
    const { topic } = this.#options.binding;
    try {
      const question = { topic, partition, timestamp, isolation };
      return await findOffset(this.#cluster, question, this.#settings.answerLimit_ms);
    } catch (thrown) {
      if (thrown instanceof TandemError) throw thrown;
      const text = `topic '${topic}' partition ${String(partition)} cannot be asked for its offsets: ${toError(thrown).message}`;
      throw new TandemError('kafka-offsets', text, { cause: thrown });
    }
  }
}
