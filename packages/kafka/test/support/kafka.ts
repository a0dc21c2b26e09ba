// The shared test server, with topics of their own for each test file, and another client for what tests do behind the
// adapter's back.
import { kafkaSystemSchema, type KafkaSystem } from '@tandem/kafka';
import { sharedTestKafka } from '@tandem/stack';
import { randomBytes } from 'node:crypto';
import { Kafka, logLevel, type Admin, type Consumer, type IHeaders, type Producer } from 'kafkajs';
import type { Address } from '../../src/broker-address.ts';
import { until } from '@tandem/ports/contract';
import { Proxy } from './proxy.ts';

export interface NewRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp_ms?: number;
  readonly headers?: readonly string[];
}

const noHurry = {
  // Times of long ago and far ahead are test data, not what brokers should judge.
  'retention.ms': '-1',
  'message.timestamp.after.max.ms': '9223372036854775807',
};

/** Every client that the configuration knows. */
export const clients: readonly KafkaSystem['client'][] = ['native', 'kafkajs'];

export class TestKafka {
  readonly brokers: readonly string[];
  readonly admin: Admin;
  readonly client: Kafka;
  /** What the adapter under test speaks to the brokers with. */
  readonly #by: KafkaSystem['client'];
  readonly #producer: Producer;
  readonly #run = randomBytes(4).toString('hex');
  #count = 0;

  private constructor(brokers: readonly string[], by: KafkaSystem['client']) {
    this.brokers = brokers;
    this.#by = by;
    this.client = new Kafka({
      clientId: 'test',
      brokers: [...brokers],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20 },
    });
    this.admin = this.client.admin();
    this.#producer = this.client.producer({ allowAutoTopicCreation: false });
  }

  static async open(bootstrap?: string, by: KafkaSystem['client'] = 'native'): Promise<TestKafka> {
    const servers = bootstrap ?? (await sharedTestKafka()).bootstrap;
    const kafka = new TestKafka(servers.split(','), by);
    await kafka.admin.connect();
    await kafka.#producer.connect();
    return kafka;
  }

  system(more: Partial<Record<keyof KafkaSystem, unknown>> = {}): KafkaSystem {
    return kafkaSystemSchema.parse({ brokers: this.brokers, client: this.#by, ...more });
  }

  newName(what = 'topic'): string {
    return `${what}-${this.#run}-${String(this.#count++)}`;
  }

  /** Made, and known to everybody. */
  async topic(name: string, partitions: number, settings: Readonly<Record<string, string>> = {}): Promise<string> {
    const configEntries = Object.entries({ ...noHurry, ...settings }).map(([key, value]) => ({ name: key, value }));
    await this.admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic: name, numPartitions: partitions, configEntries }],
    });
    await until(async () => {
      const offsets = await this.admin.fetchTopicOffsets(name).catch(() => []);
      return offsets.length === partitions;
    });
    return name;
  }

  async append(topic: string, partition: number, records: readonly NewRecord[]): Promise<void> {
    await this.#producer.send({ topic, messages: records.map((record) => message(partition, record)) });
  }

  async appendAndUndo(topic: string, partition: number, records: readonly NewRecord[]): Promise<void> {
    const producer = this.client.producer({ transactionalId: this.newName('undo'), allowAutoTopicCreation: false });
    await producer.connect();
    try {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: records.map((record) => message(partition, record)) });
      await transaction.abort();
    } finally {
      await producer.disconnect();
    }
  }

  async drop(topic: string, partition: number, before: number): Promise<void> {
    await this.admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
  }

  consumer(): Consumer {
    return this.client.consumer({ groupId: this.newName('group') });
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
    await this.admin.disconnect();
  }
}

function message(partition: number, { key, value, timestamp_ms, headers }: NewRecord) {
  const named: IHeaders = {};
  for (let at = 0; at < (headers?.length ?? 0); at += 2) {
    const values = named[headers?.[at] ?? ''];
    named[headers?.[at] ?? ''] = [...(Array.isArray(values) ? values : []), headers?.[at + 1] ?? ''];
  }
  return {
    key,
    value,
    partition,
    ...(timestamp_ms !== undefined && { timestamp: String(timestamp_ms) }),
    headers: named,
  };
}

/** One link per broker; the client is told to go by way of it. */
export async function proxied(brokers: readonly string[]): Promise<{
  readonly proxies: readonly Proxy[];
  readonly addressOf: (advertised: Address) => Address;
  close(): Promise<void>;
}> {
  const proxies = new Map<string, Proxy>();
  for (const broker of brokers) {
    const [host = '', port = ''] = broker.split(':');
    proxies.set(broker, await Proxy.open({ host, port: Number(port) }));
  }
  return {
    proxies: [...proxies.values()],
    addressOf: (advertised) => proxies.get(`${advertised.host}:${String(advertised.port)}`)?.address ?? advertised,
    close: async () => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  };
}
