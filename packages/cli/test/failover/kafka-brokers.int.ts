// Three brokers, three copies: the ones that matter are killed under load in turn, and started again.
import { waitFor } from '@tandem/harness';
import { describeWithStack, type KafkaBroker } from '@tandem/stack';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { scenariosOn } from './support/scenario.ts';
import { startServers, type Servers } from './support/servers.ts';
import { topicOf } from './support/stacks.ts';
import { Stage } from './support/stage.ts';
import { outputLog } from './support/staged-apps.ts';

const rate_per_s = 300;
const transactionLog = '__transaction_state';

describeWithStack('on three brokers', () => {
  let servers: Servers;
  let admin: Admin;

  const scenario = scenariosOn(
    async () => {
      servers = await startServers({ brokers: 3 });
      const stage = await Stage.open({ stack: 'kafka', servers: { ...servers, replication: 3 } });
      stage.serverGoesAway = true;
      stage.afterClose(() => servers.stop());
      const brokers = servers.bootstrap.split(',');
      const retry = { initialRetryTime: 50, maxRetryTime: 500, retries: 50 };
      admin = new Kafka({ clientId: 'failover-test', brokers, logLevel: logLevel.NOTHING, retry }).admin();
      await admin.connect();
      stage.onClose(() => admin.disconnect());
      return stage;
    },
    { limit_ms: 180_000 },
  );

  scenario(
    'the leader of an output partition and the coordinator of the transactions are killed in turn: nothing is lost or doubled',
    async (stage) => {
      const active = await stage.underLoad({ rate_per_s, outputs: 100 });
      const passive = stage.other(active);
      for (const find of [outputLeader, coordinator, outputLeader, coordinator]) {
        const broker = await find(stage);
        await broker.kill();
        // While it is away: the others do what it did.
        await stage.moreOutputs(300, 'tally', 90_000);
        await broker.start();
        await everyCopyInSync(stage);
      }
      await stage.ready(60_000);
      await stage.moreOutputs(100);
      await stage.expectExact(['tally'], 60_000);
      await stage.expectTruth({ active, passive: [passive] });
      for (const id of [active, passive]) expect((await stage.app(id, 'tally')).restarts).toBe(0);
    },
    400_000,
  );

  async function outputLeader(stage: Stage): Promise<KafkaBroker> {
    return await leaderOf(topicOf(stage, outputLog('tally', 'counts')), 1);
  }

  async function coordinator({ pairName }: Stage): Promise<KafkaBroker> {
    const { topics } = await admin.fetchTopicMetadata({ topics: [transactionLog] });
    const count = topics[0]?.partitions.length ?? 0;
    // As the brokers choose it.
    return await leaderOf(transactionLog, Math.abs(javaHash(`tandem.${pairName}.tally.0`)) % count);
  }

  async function leaderOf(topic: string, partition: number): Promise<KafkaBroker> {
    return await waitFor(`partition ${String(partition)} of ${topic} is led`, { limit_ms: 30_000 }, async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const leader = topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)?.leader;
      return servers.kafka.brokers.find(({ id }) => id === leader);
    });
  }

  async function everyCopyInSync(stage: Stage): Promise<void> {
    const names = [
      topicOf(stage, 'in'),
      ...['counts', 'bursts'].map((sink) => topicOf(stage, outputLog('tally', sink))),
    ];
    await waitFor('every copy is in sync', { limit_ms: 60_000, pause_ms: 100 }, async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [...names, transactionLog] });
      const all = topics.flatMap(({ partitions }) => partitions);
      return all.every(({ isr, replicas }) => isr.length === replicas.length && isr.length === 3) ? true : undefined;
    });
  }
});

/** Of Java's strings. */
function javaHash(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}
