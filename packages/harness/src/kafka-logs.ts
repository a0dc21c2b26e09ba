// Logs in Kafka: topics under a prefix of their own, written and read (committed records only) by kafkajs, which the
// runtime's own reading and publishing has nothing to do with. Ends are asked for with another library, because kafkajs
// does not tell the last stable offset.
import { randomBytes } from 'node:crypto';
import { Consumer as EndsConsumer } from '@platformatic/kafka';
import { Kafka, logLevel, type Admin, type EachBatchPayload, type Producer } from 'kafkajs';
import { partitionOf } from './generator.ts';
import type { LogRecord } from './log-reader.ts';
import type { LogAppender, Logs, WatchOptions } from './logs.ts';
import { until, waitFor } from './waiting.ts';

export interface KafkaLogsOptions {
  /** host:port,host:port */
  readonly bootstrap: string;
  /** Before every topic's name: several runs share a cluster. */
  readonly prefix: string;
  readonly replication?: number;
  /** What the nodes speak to the brokers by; default: theirs. */
  readonly client?: 'native' | 'kafkajs';
}

/** Fetches without news after which what was committed has been read. */
const quietFetches = 3;
const fetchWait_ms = 50;
/** Larger than any batch: one that does not fit is kept back for as long as another partition has something to give. */
const partitionFetch_bytes = 4 << 20;
const fetch_bytes = 64 << 20;
/** How long another broker may have become the leader before that is noticed. */
const leaderLook_ms = 1000;
const readyLimit_ms = 15_000;
const isolationReadCommitted = 1;

export class KafkaLogs implements Logs {
  readonly system = 'kafka';
  readonly sections: Readonly<Record<string, unknown>>;
  readonly #options: KafkaLogsOptions;
  readonly #kafka: Kafka;
  #admin: Promise<Admin> | undefined;
  #ends: EndsConsumer | undefined;

  constructor(options: KafkaLogsOptions) {
    this.#options = options;
    const brokers = options.bootstrap.split(',');
    const { client } = options;
    this.sections = { kafka: { brokers, ...(client !== undefined && { client }) } };
    this.#kafka = new Kafka({
      clientId: 'tandem-harness',
      brokers,
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 1000, retries: 50 },
    });
  }

  topic(log: string): string {
    return `${this.#options.prefix}${log}`;
  }

  binding(log: string, partitions: number): Readonly<Record<string, unknown>> {
    const { replication } = this.#options;
    const create = { partitions, ...(replication !== undefined && { replication }) };
    return { kafka: { topic: this.topic(log), create } };
  }

  async create(log: string, partitions: number): Promise<void> {
    const admin = await this.#connectedAdmin();
    const { replication } = this.#options;
    const topic = this.topic(log);
    const replicas = replication === undefined ? {} : { replicationFactor: replication };
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions, ...replicas }] });
    // For a moment brokers do not know of a topic that they have just made.
    await waitFor(`topic ${topic} has leaders`, { limit_ms: readyLimit_ms, pause_ms: 10 }, async () => {
      const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined);
      const led = found?.topics[0]?.partitions.filter(({ leader }) => leader >= 0) ?? [];
      return led.length === partitions ? true : undefined;
    });
  }

  async writer(log: string, partitions: number): Promise<LogAppender> {
    await this.create(log, partitions);
    // Idempotent: a broker that goes away does not make it append twice.
    const producer = this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false });
    await producer.connect();
    const isCluster = this.#options.bootstrap.includes(',');
    return new KafkaAppender(producer, this.topic(log), partitions, isCluster);
  }

  async watch(options: WatchOptions): Promise<{ close(): Promise<void> }> {
    return await this.#consume(options);
  }

  async *read(log: string, partition: number): AsyncGenerator<readonly LogRecord[]> {
    const found: (readonly LogRecord[])[] = [];
    let quiet = 0;
    // Where others go on writing it is never quiet.
    const end = (await this.ends(log, partition + 1))[partition] ?? 0;
    let seen = -1;
    let failure: Error | undefined;
    // News from other brokers says nothing of what this one has.
    let leader = await this.#leaderOf(log, partition);
    let looked_ms = performance.now();
    const consumer = await this.#consume({
      log,
      partitions: partition + 1,
      only: partition,
      onArrival: ({ records }) => {
        quiet = 0;
        seen = records.at(-1)?.offset ?? seen;
        found.push(records);
      },
      onFailure: (error) => (failure = error),
      onFetched: (node) => {
        // Text, whatever its type says.
        if (String(node) === String(leader)) quiet++;
      },
    });
    try {
      while (found.length > 0 || (quiet < quietFetches && seen < end - 1)) {
        if (failure !== undefined) throw failure;
        if (performance.now() - looked_ms > leaderLook_ms) {
          leader = await this.#leaderOf(log, partition);
          looked_ms = performance.now();
        }
        const page = found.shift();
        if (page === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
        else yield page;
      }
    } finally {
      await consumer.close();
    }
  }

  async ends(log: string, partitions: number): Promise<readonly number[]> {
    const topic = this.topic(log);
    this.#ends ??= new EndsConsumer({
      groupId: `harness-ends-${randomBytes(4).toString('hex')}`,
      clientId: 'tandem-harness-ends',
      bootstrapBrokers: this.#options.bootstrap.split(','),
    });
    const found = await this.#ends.listOffsets({
      topics: [topic],
      partitions: { [topic]: Array.from({ length: partitions }, (_, partition) => partition) },
      isolationLevel: isolationReadCommitted,
    });
    return (found.get(topic) ?? []).map(Number);
  }

  async describe(): Promise<string> {
    const { brokers } = await (await this.#connectedAdmin()).describeCluster();
    return `Kafka of ${String(brokers.length)} broker${brokers.length === 1 ? '' : 's'}`;
  }

  async close(): Promise<void> {
    const admin = await this.#admin?.catch(() => undefined);
    this.#admin = undefined;
    await admin?.disconnect();
    await this.#ends?.close();
    this.#ends = undefined;
  }

  async #leaderOf(log: string, partition: number): Promise<number | undefined> {
    const { topics } = await (await this.#connectedAdmin()).fetchTopicMetadata({ topics: [this.topic(log)] });
    return topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)?.leader;
  }

  async #connectedAdmin(): Promise<Admin> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin();
      await admin.connect();
      return admin;
    })();
    return await this.#admin;
  }

  /** Reads from the beginning, without ever committing a position. */
  async #consume(
    options: WatchOptions & { readonly only?: number; readonly onFetched?: (node: number) => void },
  ): Promise<{ close(): Promise<void> }> {
    const topic = this.topic(options.log);
    const consumer = this.#kafka.consumer({
      groupId: `harness-${randomBytes(6).toString('hex')}`,
      readUncommitted: false,
      maxWaitTimeInMs: fetchWait_ms,
      maxBytesPerPartition: partitionFetch_bytes,
      maxBytes: fetch_bytes,
      allowAutoTopicCreation: false,
    });
    const last = new Map<number, number>();
    let closed = false;
    const fail = (error: Error): void => {
      if (!closed) options.onFailure(error);
    };
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) fail(payload.error);
    });
    const { FETCH, GROUP_JOIN } = consumer.events;
    const { only } = options;
    if (only !== undefined) {
      consumer.on(GROUP_JOIN, ({ payload }) => {
        const others = payload.memberAssignment[topic]?.filter((partition) => partition !== only) ?? [];
        consumer.pause([{ topic, partitions: others }]);
      });
    }
    consumer.on(FETCH, ({ payload }) => options.onFetched?.(payload.nodeId));
    const eachBatch = ({ batch }: EachBatchPayload): Promise<void> => {
      const at_ms = performance.now();
      const { partition } = batch;
      if (only !== undefined && partition !== only) return Promise.resolve();
      const records: LogRecord[] = [];
      for (const { key, value, offset: text } of batch.messages) {
        const offset = Number(text);
        const before = last.get(partition) ?? -1;
        if (offset <= before) {
          fail(
            new Error(`topic ${topic}: offset ${text} came after ${String(before)} in partition ${String(partition)}`),
          );
          return Promise.resolve();
        }
        last.set(partition, offset);
        if (offset < (options.from?.[partition] ?? 0)) continue;
        records.push({
          partition,
          offset,
          key: key === null ? null : key.toString('utf8'),
          value: value === null ? '' : value.toString('utf8'),
        });
      }
      if (records.length > 0) options.onArrival({ at_ms, records });
      return Promise.resolve();
    };
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch });
    // kafkajs refuses to seek for the moment in which it joins its group anew.
    const sought = await until({ limit_ms: readyLimit_ms }, () => {
      try {
        options.from?.forEach((offset, partition) => {
          consumer.seek({ topic, partition, offset: String(offset) });
        });
        return true;
      } catch {
        return undefined;
      }
    });
    if (sought === undefined) {
      await consumer.disconnect();
      throw new Error(`topic ${topic} cannot be read from where it was to be`);
    }
    return {
      close: async () => {
        closed = true;
        await consumer.disconnect();
      },
    };
  }
}

interface Waiting {
  readonly key: string | null;
  readonly value: string;
  readonly partition: number;
  readonly timestamp: string;
}

class KafkaAppender implements LogAppender {
  readonly #producer: Producer;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #isCluster: boolean;
  #waiting: Waiting[] = [];
  #round = 0;

  constructor(producer: Producer, topic: string, partitions: number, isCluster: boolean) {
    this.#isCluster = isCluster;
    this.#producer = producer;
    this.#topic = topic;
    this.#partitions = partitions;
  }

  get pending(): number {
    return this.#waiting.length;
  }

  add(key: string | null, value: string, options: { readonly timestamp_ms?: number } = {}): void {
    const partition = key === null ? this.#round++ % this.#partitions : partitionOf(key, this.#partitions);
    this.#waiting.push({ key, value, partition, timestamp: String(options.timestamp_ms ?? Date.now()) });
  }

  async flush(): Promise<void> {
    const messages = this.#waiting;
    this.#waiting = [];
    if (messages.length === 0) return;
    const send = (some: Waiting[]) => this.#producer.send({ topic: this.#topic, acks: -1, messages: some });
    if (!this.#isCluster) {
      await send(messages);
      return;
    }
    // kafkajs never sends, and yet confirms, what moves while it tries again to a broker that has answered already:
    // each partition is sent by itself.
    const byPartition = new Map<number, Waiting[]>();
    for (const message of messages) {
      const same = byPartition.get(message.partition);
      if (same === undefined) byPartition.set(message.partition, [message]);
      else same.push(message);
    }
    const sent = await Promise.allSettled([...byPartition.values()].map(send));
    for (const one of sent) if (one.status === 'rejected') throw one.reason;
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
  }
}
