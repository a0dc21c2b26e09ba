// Administration by kafkajs: topics made and looked at, on the main thread only. Lanes do without it.
import { TandemError } from '@tandem/ports';
import kafkajs, { type Admin, type ConfigResourceTypes } from 'kafkajs';
import type { KafkaSystem } from './configuration.ts';
import { reasonOf, unreachable } from './errors.ts';
import { encryption, login } from './kafkajs/settings.ts';

// CommonJS, whose exports Node.js does not find by name.
const { Kafka, logLevel } = kafkajs;
export const resourceTypes = kafkajs.ConfigResourceTypes;

const connectLimit_ms = 5000;
const requestLimit_ms = 10_000;
const retries = 4;

/** One piece of work with a client of its own. @throws TandemError. */
export async function withAdmin<T>(system: KafkaSystem, work: (admin: Admin) => Promise<T>): Promise<T> {
  const kafka = new Kafka({
    brokers: [...system.brokers],
    clientId: `${system.clientId}-admin`,
    connectionTimeout: connectLimit_ms,
    requestTimeout: requestLimit_ms,
    retry: { retries, initialRetryTime: 100, maxRetryTime: 1000 },
    logLevel: logLevel.NOTHING,
    ...(await encryption(system)),
    ...(system.sasl !== undefined && { sasl: login(system.sasl) }),
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (thrown) {
    throw explained(system, thrown);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

function explained({ brokers }: KafkaSystem, thrown: unknown): TandemError {
  if (thrown instanceof TandemError) return thrown;
  const where = brokers.join(', ');
  const { name = '', type = '' } = (thrown ?? {}) as { readonly name?: string; readonly type?: string };
  if (name.includes('SASL') || type.includes('SASL')) {
    const text = `Kafka at ${where} refuses the login: ${reasonOf(thrown)}. Correct kafka.sasl`;
    return new TandemError('kafka-authentication', text, { blame: 'user', cause: thrown });
  }
  if (type.includes('AUTHORIZATION')) {
    const text = `Kafka at ${where} does not let this user do it: ${reasonOf(thrown)}. See the rights in the documentation of the Kafka adapter`;
    return new TandemError('kafka-rights', text, { blame: 'user', cause: thrown });
  }
  return unreachable(brokers, thrown);
}

export interface TopicDescription {
  readonly partitions: number;
  /** Copies of each partition, the fewest of all. */
  readonly replication: number;
  /** In effect, by name; empty where this user may not see them. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Those of the topics that there are. */
export async function describeTopics(
  admin: Admin,
  names: readonly string[],
): Promise<ReadonlyMap<string, TopicDescription>> {
  const known = new Set(await admin.listTopics());
  const topics = [...new Set(names)].filter((name) => known.has(name));
  if (topics.length === 0) return new Map();
  const { topics: found } = await admin.fetchTopicMetadata({ topics });
  const described = new Map<string, TopicDescription>();
  for (const { name, partitions } of found) {
    described.set(name, {
      partitions: partitions.length,
      replication: Math.min(...partitions.map(({ replicas }) => replicas.length)),
      settings: await settingsOf(admin, resourceTypes.TOPIC, name),
    });
  }
  return described;
}

/** Settings of a topic or broker; empty where this user may not see them. */
export async function settingsOf(
  admin: Admin,
  type: ConfigResourceTypes,
  name: string,
): Promise<ReadonlyMap<string, string>> {
  try {
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name }] });
    const entries = resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  } catch (thrown) {
    if (String((thrown as { readonly type?: string }).type).includes('AUTHORIZATION')) return new Map();
    throw thrown;
  }
}

/** Who is there, for people. */
export async function describeCluster(system: KafkaSystem): Promise<string> {
  return await withAdmin(system, async (admin) => {
    const { brokers, clusterId } = await admin.describeCluster();
    const shown = brokers.map(({ host, port }) => `${host}:${String(port)}`).join(', ');
    const count = brokers.length === 1 ? '1 broker' : `${String(brokers.length)} brokers`;
    return `Kafka cluster ${clusterId}, ${count}: ${shown}`;
  });
}
