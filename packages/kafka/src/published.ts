// For tools: published positions read without fencing, and forgotten by `tandem reset`.
import type { Epoch } from '@tandem/pair';
import { TandemError, type Clock } from '@tandem/ports';
import { Cluster } from './cluster.ts';
import type { KafkaSystem } from './configuration.ts';
import { PositionsTail } from './positions-tail.ts';
import { positionsBatch, positionsTopic, transactionalIdOf, type PublishedRecord } from './positions-topic.ts';
import { Producer } from './publisher-producer.ts';
import { Transaction } from './publisher-transaction.ts';

export interface PublishedTarget {
  readonly system: KafkaSystem;
  readonly clock: Clock;
  readonly pair: string;
}

export interface StoredLane extends PublishedRecord {
  readonly lane: number;
}

const limit_ms = 10_000;
const limits = { produceLimit_ms: limit_ms, endLimit_ms: limit_ms, undoLimit_ms: limit_ms };

/** What is stored of the app, by lane. @throws TandemError. */
export async function readPublished(target: PublishedTarget, app: string): Promise<readonly StoredLane[]> {
  return await withCluster(target, (cluster) => readLanes(cluster, positionsTopic(target.pair, app)));
}

/** The highest epoch that has published. @throws TandemError. */
export async function highestPublished(target: PublishedTarget, app: string): Promise<Epoch | undefined> {
  const lanes = await readPublished(target, app);
  return lanes.reduce<Epoch | undefined>((most, { epoch }) => (epoch > (most ?? 0) ? epoch : most), undefined);
}

/**
 * Forgets the app's published positions; the epochs stay. No node of the pair may be running: whoever holds a lane's
 * fence loses it. @throws TandemError.
 */
export async function forgetPublished(target: PublishedTarget, app: string): Promise<void> {
  const { pair, system } = target;
  await withCluster(target, async (cluster) => {
    const topic = positionsTopic(pair, app);
    for (const { lane, epoch, positions } of await readLanes(cluster, topic)) {
      if (positions.size === 0) continue;
      const transactionalId = transactionalIdOf({ pair, app, lane });
      const transactionTimeout_ms = system.transactionTimeout;
      const producer = new Producer({ cluster, transactionalId, transactionTimeout_ms, purpose: 'requests' });
      await producer.open(limit_ms);
      const transaction = new Transaction(producer, [{ name: topic, partitions: [lane] }], limits);
      const writer = positionsBatch(epoch, new Map(), target.clock.wall_ms(), cluster.codec.writer());
      const done = await transaction.run([[{ topic, partition: lane, writer, compression: 'none' }]], []);
      if (done.outcome !== 'published') {
        const text = `published positions of lane ${String(lane)} of '${app}' could not be forgotten: ${'cause' in done ? done.cause.message : 'another publisher opened meanwhile'}`;
        throw new TandemError('positions-kept', text);
      }
    }
  });
}

async function readLanes(cluster: Cluster, topic: string): Promise<StoredLane[]> {
  let partitions: number;
  try {
    partitions = (await cluster.topic(topic)).leaders.length;
  } catch (thrown) {
    if (thrown instanceof TandemError && thrown.code === 'topic-missing') return [];
    throw thrown;
  }
  const lanes: StoredLane[] = [];
  for (let lane = 0; lane < partitions; lane++) {
    const record = await new PositionsTail(cluster, topic, lane).look(limit_ms);
    if (record !== undefined) lanes.push({ lane, ...record });
  }
  return lanes;
}

async function withCluster<T>({ system, clock }: PublishedTarget, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = new Cluster({ system, clock });
  try {
    return await work(cluster);
  } finally {
    await cluster.close();
  }
}
