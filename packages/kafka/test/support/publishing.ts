// Publishers for tests, and what readers of their sinks see.
import {
  createKafkaPublisher,
  createKafkaSource,
  kafkaSinkSchema,
  kafkaSourceSchema,
  positionsTopic,
  positionsTopicSettings,
  type PublisherOptions,
} from '@tandem/kafka';
import { asPosition } from '@tandem/pair';
import type { WrittenRecord } from '@tandem/ports/contract';
import { Cluster } from '../../src/cluster.ts';
import { findOffset } from '../../src/offsets.ts';
import { latestOffset, readUncommitted } from '../../src/protocol.ts';
import { clock, until } from '@tandem/ports/contract';
import type { TestKafka } from './kafka.ts';

export const pair = 'p';

/** Its positions topic, with a spare partition for rehearsals. */
export async function positionsOf(kafka: TestKafka, app: string, lanes = 1): Promise<string> {
  return await kafka.topic(positionsTopic(pair, app), lanes + 1, positionsTopicSettings);
}

export function createPublisher(
  kafka: TestKafka,
  app: string,
  topics: readonly string[],
  more: Partial<PublisherOptions> = {},
) {
  return createKafkaPublisher({
    system: kafka.system(),
    sinks: topics.map((topic) => ({ sink: topic, binding: kafkaSinkSchema.parse({ topic }) })),
    scope: { pair, app, lane: 0, lanes: 1, tasks: ['in/0', 'in/1'] },
    clock,
    log: () => undefined,
    ...more,
  });
}

/** What is committed in the partition, in order, once no transaction is open there any more. */
export async function readAll(
  kafka: Pick<TestKafka, 'system'>,
  topic: string,
  partition: number,
): Promise<WrittenRecord[]> {
  const source = await createKafkaSource({
    system: kafka.system(),
    binding: kafkaSourceSchema.parse({ topic, compacted: true }),
    clock,
    log: () => undefined,
    settings: { retryFirst_ms: 5, retryMost_ms: 50 },
  });
  const cluster = new Cluster({ system: kafka.system(), clock });
  const records: WrittenRecord[] = [];
  try {
    await until(async () => {
      const question = { topic, partition, timestamp: latestOffset, isolation: readUncommitted };
      return (await findOffset(cluster, question, 5000)) === (await source.bounds(partition)).end;
    });
    const { first, end } = await source.bounds(partition);
    const reader = source.read(new Map([[partition, first]]));
    let next = first;
    await until(() => {
      for (let taken = reader.take(); taken !== undefined; taken = reader.take()) {
        if (taken.kind === 'gap') throw new Error(`a gap at ${String(taken.wanted)}`);
        while (taken.next()) {
          const { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp_ms } = taken;
          records.push({
            key: keyEnd < 0 ? null : bytes.toString('utf8', keyStart, keyEnd),
            value: valueEnd < 0 ? null : bytes.toString('utf8', valueStart, valueEnd),
            timestamp_ms,
            headers: taken.headers(),
          });
        }
        next = asPosition(taken.nextPosition);
      }
      return next >= end;
    });
  } finally {
    await source.close();
    await cluster.close();
  }
  return records;
}
