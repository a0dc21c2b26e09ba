// Runs openings and transactions of nobody's ahead of a takeover, so that code, connections and brokers are warm.
import { Buffer } from 'node:buffer';
import type { PublisherScope } from '@tandem/ports';
import type { Cluster } from './cluster.ts';
import { transactionalIdOf } from './positions-topic.ts';
import { Producer } from './publisher-producer.ts';
import { Transaction } from './publisher-transaction.ts';

export interface RehearsalPlace {
  readonly topic: string;
  /** One that no lane keeps its positions in. */
  readonly partition: number;
}

const openings = 3;
const transactionsEach = 5;
const limit_ms = 2000;
/** Brokers keep each transactional id for days: few of them, and two who rehearse at once seldom share one. */
const stages = 16;

/** Records of no meaning go to `place`; nobody's transactions are waited for, nobody reads there. @throws when it could not. */
export async function rehearse(
  cluster: Cluster,
  scope: PublisherScope,
  place: RehearsalPlace,
  transactionTimeout_ms: number,
  isWanted: () => boolean,
): Promise<void> {
  const stage = Math.floor(Math.random() * stages);
  const transactionalId = `${transactionalIdOf(scope)}.rehearsal.${String(stage)}`;
  const producer = new Producer({ cluster, transactionalId, transactionTimeout_ms, purpose: 'requests' });
  const writer = cluster.codec.writer();
  const bytes = Buffer.from('rehearsal');
  const batch = { ...place, writer, compression: 'none' } as const;
  const limits = { produceLimit_ms: limit_ms, endLimit_ms: limit_ms, undoLimit_ms: limit_ms };
  for (let opening = 0; opening < openings; opening++) {
    await producer.open(limit_ms);
    for (let round = 0; round < transactionsEach && isWanted(); round++) {
      const transaction = new Transaction(producer, [{ name: place.topic, partitions: [place.partition] }], limits);
      writer.reset();
      const key = { keyStart: 0, keyEnd: bytes.length, valueStart: 0, valueEnd: -1 };
      writer.addRecord({ bytes, ...key, timestamp_ms: cluster.clock.wall_ms() }, undefined);
      const done = await transaction.run([[batch]], []);
      if (done.outcome !== 'published') throw new Error(`rehearsing a transaction: ${done.outcome}`);
    }
  }
}
