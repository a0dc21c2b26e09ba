// Gathers a batch's outputs into record batches, one buffer per partition that is used again and again. A partition gets
// more than one batch where a single one would be larger than its topic takes.
import type { OutputBatch } from '@tandem/ports';
import { TandemError } from '@tandem/ports';
import type { BatchWriter, Codec } from './records.ts';

export interface SinkTopic {
  readonly sink: string;
  readonly topic: string;
  readonly partitions: number;
  readonly compression: 'none' | 'gzip';
  /** `max.message.bytes`; undefined where it is not known. */
  readonly limit_bytes: number | undefined;
}

/** One batch on its way to one partition. */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly writer: BatchWriter;
  readonly compression: 'none' | 'gzip';
}

export interface TopicPartitions {
  readonly name: string;
  readonly partitions: readonly number[];
}

/** Kafka's default for `max.message.bytes`. */
export const defaultLimit_bytes = 1_048_588;

/**
 * Consumers fetch 1 MiB of a partition at once by default, and are given a batch that is larger only when no other
 * partition has anything for them. A record that is larger by itself goes alone.
 */
const fill_bytes = 1_000_000;

class PartitionOutputs {
  /** Batches of this one, the first `used` of them filled. */
  readonly writers: BatchWriter[];
  used = 0;
  readonly #codec: Codec;
  #writer: BatchWriter;

  constructor(codec: Codec) {
    this.#codec = codec;
    this.#writer = codec.writer();
    this.writers = [this.#writer];
  }

  get current(): BatchWriter {
    return this.#writer;
  }

  begin(): void {
    const writer = (this.writers[this.used] ??= this.#codec.writer());
    writer.reset();
    this.used++;
    this.#writer = writer;
  }
}

/** A topic, written by one or several sinks. */
class TopicOutputs {
  readonly topic: string;
  readonly compression: 'none' | 'gzip';
  /** How far a batch is filled. */
  readonly fill_bytes: number;
  readonly partitions: readonly PartitionOutputs[];
  readonly touched: number[] = [];

  constructor({ topic, partitions, compression, limit_bytes = defaultLimit_bytes }: SinkTopic, codec: Codec) {
    this.topic = topic;
    this.compression = compression;
    this.fill_bytes = Math.min(limit_bytes, fill_bytes);
    this.partitions = Array.from({ length: partitions }, () => new PartitionOutputs(codec));
  }
}

export class Outputs {
  readonly #topics: readonly TopicOutputs[];
  /** By sink. */
  readonly #bySink: readonly TopicOutputs[];

  constructor(sinks: readonly SinkTopic[], codec: Codec) {
    const topics = new Map<string, TopicOutputs>();
    this.#bySink = sinks.map((sink) => {
      const outputs = topics.get(sink.topic) ?? new TopicOutputs(sink, codec);
      topics.set(sink.topic, outputs);
      return outputs;
    });
    this.#topics = [...topics.values()];
  }

  /** Walks the batch once, for where it goes: that can be told to Kafka while the rest is done. */
  survey(batch: OutputBatch): void {
    for (const topic of this.#topics) {
      for (const partition of topic.touched) partitionOf(topic, partition).used = 0;
      topic.touched.length = 0;
    }
    const outputs = batch.outputs();
    while (outputs.next()) {
      const topic = this.#topicOf(outputs.sink);
      const partition = partitionOf(topic, outputs.partition);
      if (partition.used > 0) continue;
      partition.begin();
      topic.touched.push(outputs.partition);
    }
  }

  /** After `survey` of the same batch. @throws RangeError or TandemError for an output that cannot be written. */
  gather(batch: OutputBatch): void {
    const outputs = batch.outputs();
    let count = 0;
    while (outputs.next()) {
      const topic = this.#topicOf(outputs.sink);
      const partition = partitionOf(topic, outputs.partition);
      count++;
      if (partition.current.tryAdd(outputs, topic.fill_bytes)) continue;
      // A record that is too large all by itself is sent all the same: the broker decides, and compression may help.
      if (partition.current.count > 0) partition.begin();
      partition.current.add(outputs);
    }
    if (count !== batch.count) {
      throw new TandemError('internal', `a batch of ${String(batch.count)} outputs held ${String(count)}`);
    }
  }

  /** Where the surveyed batch goes. */
  destinations(): TopicPartitions[] {
    return this.#topics
      .filter(({ touched }) => touched.length > 0)
      .map(({ topic, touched }) => ({ name: topic, partitions: [...touched] }));
  }

  /** What was gathered: each round holds at most one batch per partition, as requests do. */
  rounds(): PartitionBatch[][] {
    const rounds: PartitionBatch[][] = [];
    for (const { topic, compression, touched, partitions } of this.#topics) {
      for (const partition of touched) {
        const { writers, used } = partitions[partition] ?? { writers: [], used: 0 };
        writers.slice(0, used).forEach((writer, round) => {
          (rounds[round] ??= []).push({ topic, partition, writer, compression });
        });
      }
    }
    return rounds;
  }

  #topicOf(sink: number): TopicOutputs {
    const topic = this.#bySink[sink];
    if (topic === undefined) throw new TandemError('internal', `no sink ${String(sink)}`);
    return topic;
  }
}

function partitionOf(topic: TopicOutputs, partition: number): PartitionOutputs {
  const found = topic.partitions[partition];
  if (found === undefined) {
    throw new TandemError('internal', `topic '${topic.topic}' has no partition ${String(partition)}`);
  }
  return found;
}
