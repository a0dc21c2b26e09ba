// Where a partition begins and ends, and where a time lies in it.
import type { Cluster, Purpose } from './cluster.ts';
import { BrokerError } from './errors.ts';
import { listOffsets } from './protocol.ts';
import { persistently } from './retrying.ts';

export interface OffsetQuestion {
  readonly topic: string;
  readonly partition: number;
  /** `latestOffset`, `earliestOffset` or a time in ms. */
  readonly timestamp: bigint;
  /** Of `readCommitted` the end is the last stable offset. */
  readonly isolation: number;
}

/** -1 where no record is as late as the time. @throws BrokerError, ConnectionLost, TandemError. */
export async function findOffset(
  cluster: Cluster,
  question: OffsetQuestion,
  limit_ms: number,
  purpose: Purpose = 'requests',
): Promise<number> {
  return await persistently(cluster, { topic: question.topic }, limit_ms, () => askOffset(cluster, question, purpose));
}

/** Asks once. */
export async function askOffset(cluster: Cluster, question: OffsetQuestion, purpose: Purpose): Promise<number> {
  const { topic, partition, timestamp, isolation } = question;
  const connection = await cluster.connection(await cluster.leader(topic, partition), purpose);
  const answer = await connection.send(listOffsets, [
    -1,
    isolation,
    [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }] }],
  ]);
  const found = answer.topics[0]?.partitions[0];
  if (found === undefined) throw new BrokerError('ListOffsets', 'UNKNOWN_TOPIC_OR_PARTITION');
  return Number(found.offset);
}
