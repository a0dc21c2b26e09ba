// Looks at a cluster for tandem doctor: brokers and topics as a pair uses them, by kafkajs on the main thread.
import type { Clock, DoctorFinding } from '@tandem/ports';
import type { Admin } from 'kafkajs';
import { describeTopics, resourceTypes, settingsOf, withAdmin } from './admin.ts';
import { clusterDefaults } from './cluster.ts';
import type { KafkaSinkBinding, KafkaSourceBinding, KafkaSystem } from './configuration.ts';
import type { Address } from './broker-address.ts';
import { BrokerConnection, connectionSettings, type ConnectionSettings } from './connection.ts';
import { reasonOf } from './errors.ts';
import { judgeKafka, type BrokerFacts, type TopicUse } from './examine-judgement.ts';
import { isPositionsTopic } from './positions-topic.ts';
import { everyRequest } from './protocol.ts';

/** How a pair uses the cluster. */
export interface KafkaUse {
  readonly pair: string;
  readonly clock: Clock;
  readonly persistenceInterval_ms: number;
  readonly apps: readonly {
    readonly publishMaxBytes: number;
    readonly sources: Readonly<Record<string, KafkaSourceBinding>>;
    readonly sinks: Readonly<Record<string, KafkaSinkBinding>>;
  }[];
}

const transactionLogTopic = '__transaction_state';

/** @throws TandemError where it cannot be reached. */
export async function examineKafka(system: KafkaSystem, use: KafkaUse): Promise<readonly DoctorFinding[]> {
  const connecting = await connectionSettings(system, use.clock, clusterDefaults);
  return await withAdmin(system, async (admin) => {
    const uses = [...usesOf(use), ...(await positionsOf(admin, use.pair))];
    const topics = await describeTopics(admin, [...uses.map(({ topic }) => topic), transactionLogTopic]);
    return judgeKafka({
      transactionTimeout_ms: system.transactionTimeout,
      persistenceInterval_ms: use.persistenceInterval_ms,
      brokers: await brokersOf(admin, connecting),
      transactionLog: topics.get(transactionLogTopic),
      uses,
      topics,
    });
  });
}

function usesOf({ apps }: KafkaUse): TopicUse[] {
  return apps.flatMap(({ sources, sinks, publishMaxBytes }) => [
    ...Object.values(sources).map(({ topic, compacted, create }): TopicUse => ({
      as: 'source',
      topic,
      compacted,
      made: create,
    })),
    ...Object.values(sinks).map(({ topic, create }): TopicUse => ({
      as: 'sink',
      topic,
      publishMaxBytes,
      made: create,
    })),
  ]);
}

/** The apps' own names are not known here: of all apps that this pair has ever run on the cluster. */
async function positionsOf(admin: Admin, pair: string): Promise<TopicUse[]> {
  const names = (await admin.listTopics()).filter((name) => isPositionsTopic(name, pair));
  return names.map((topic) => ({ as: 'positions', topic }));
}

async function brokersOf(admin: Admin, connecting: ConnectionSettings): Promise<BrokerFacts[]> {
  const { brokers } = await admin.describeCluster();
  return await Promise.all(
    brokers.map(async ({ nodeId, host, port }) => ({
      address: `${host}:${String(port)}`,
      settings: await settingsOf(admin, resourceTypes.BROKER, String(nodeId)).catch(() => new Map<string, string>()),
      unspoken: await unspokenBy({ host, port }, connecting),
    })),
  );
}

/** By the connections that lanes make, so that one that is advertised wrongly shows too. */
async function unspokenBy(address: Address, connecting: ConnectionSettings): Promise<BrokerFacts['unspoken']> {
  try {
    const connection = await BrokerConnection.open(address, connecting);
    try {
      return everyRequest.filter((request) => connection.versionOf(request) === undefined).map(({ name }) => name);
    } finally {
      await connection.close();
    }
  } catch (thrown) {
    return { unreachable: reasonOf(thrown) };
  }
}
