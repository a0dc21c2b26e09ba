// Each request of protocol.ts as kafkajs sends it: arguments and answers of the one in terms of the other.
import { TandemError } from '@tandem/ports';
import { compressionCode } from '../codec/batch-format.ts';
import { BrokerError, errorName } from '../errors.ts';
import {
  addPartitionsToTxn,
  describeConfigs,
  endTxn,
  fetch,
  findCoordinator,
  initProducerId,
  listOffsets,
  metadata,
  offsetCommit,
  produce,
  type ProducedPartition,
  type Request,
} from '../protocol.ts';
import {
  fetchRequest,
  initProducerIdRequest,
  requestOf,
  spoken,
  type FetchedBatches,
  type Name,
  type Versions,
} from './internals.ts';
import type { DecodedRecords, GatheredRecords } from './records.ts';

/** One request to the broker; what comes back depends on it. */
export type Send = (protocol: ReturnType<typeof requestOf>) => Promise<unknown>;
type Call<Arguments extends unknown[]> = (send: Send, ...args: Arguments) => Promise<unknown>;

interface Spoken {
  readonly name: Name;
  readonly call: Call<never[]>;
}

const calls = new Map<Request<never[], unknown>, Spoken>();

/** Only as much of each answer is there as this package asks for. */
function speak<Arguments extends unknown[], Answer>(
  request: Request<Arguments, Answer>,
  name: Name,
  call: Call<Arguments>,
): void {
  calls.set(request as unknown as Request<never[], unknown>, { name, call: call as unknown as Call<never[]> });
}

/** @throws TandemError (user) for a broker that does not speak it. */
export function callOf<Arguments extends unknown[], Answer>(
  request: Request<Arguments, Answer>,
  versions: Versions,
  broker: string,
): (send: Send, ...args: Arguments) => Promise<Answer> {
  const known = calls.get(request as unknown as Request<never[], unknown>);
  if (known === undefined) throw new TandemError('internal', `kafkajs is not asked for ${request.name}`);
  const range = versions[request.key];
  const version = spoken[known.name];
  if (range === undefined || version < range.minVersion || version > range.maxVersion) {
    const found = range === undefined ? 'none' : `${String(range.minVersion)} to ${String(range.maxVersion)}`;
    const text = `Kafka at ${broker} is too old or too new: of ${request.name} it speaks versions ${found}, kafkajs ${String(version)}. Use another client (kafka.client), or Kafka 3.5 to 4.1`;
    throw new TandemError('kafka-version', text, { blame: 'user' });
  }
  return known.call as unknown as (send: Send, ...args: Arguments) => Promise<Answer>;
}

interface Code {
  readonly errorCode: number;
  readonly errorMessage?: string | null;
}

/** @throws BrokerError for the first that failed and says why. */
function judge(request: string, answers: readonly Code[]): void {
  const failed = answers.filter(({ errorCode }) => errorCode !== 0);
  const telling = failed.find(({ errorCode }) => errorName(errorCode) !== 'OPERATION_NOT_ATTEMPTED') ?? failed[0];
  if (telling !== undefined) throw new BrokerError(request, errorName(telling.errorCode), telling.errorMessage);
}

speak(metadata, 'Metadata', async (send, names) => {
  const { brokers, topicMetadata } = (await send(
    requestOf('Metadata', { topics: names, allowAutoTopicCreation: false }),
  )) as {
    readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
    readonly topicMetadata: readonly {
      readonly topicErrorCode: number;
      readonly topic: string;
      readonly partitionMetadata: readonly {
        readonly partitionId: number;
        readonly leader: number;
        readonly replicas: readonly number[];
      }[];
    }[];
  };
  const topics = topicMetadata.map(({ topicErrorCode: errorCode, topic: name, partitionMetadata }) => ({
    errorCode,
    name,
    // This version knows topics by their names alone.
    topicId: name,
    partitions: partitionMetadata.map(({ partitionId: partitionIndex, leader: leaderId, replicas: replicaNodes }) => ({
      partitionIndex,
      leaderId,
      replicaNodes,
    })),
  }));
  return { brokers, topics };
});

speak(findCoordinator, 'GroupCoordinator', async (send, coordinatorType, [groupId]) => {
  const answer = (await send(requestOf('GroupCoordinator', { groupId, coordinatorType }))) as Code & {
    readonly coordinator: object;
  };
  judge('FindCoordinator', [answer]);
  return { coordinators: [answer.coordinator] };
});

speak(describeConfigs, 'DescribeConfigs', async (send, resources) => {
  const asked = resources.map(({ resourceType: type, resourceName: name, configurationKeys: configNames }) => ({
    type,
    name,
    configNames,
  }));
  const answer = (await send(requestOf('DescribeConfigs', { resources: asked }))) as {
    readonly resources: readonly (Code & {
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    })[];
  };
  judge('DescribeConfigs', answer.resources);
  return {
    results: answer.resources.map(({ configEntries }) => ({
      configs: configEntries.map(({ configName: name, configValue: value }) => ({ name, value })),
    })),
  };
});

speak(listOffsets, 'ListOffsets', async (send, replicaId, isolationLevel, topics) => {
  const asked = topics.map(({ name: topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partitionIndex: partition, timestamp }) => ({
      partition,
      timestamp: String(timestamp),
    })),
  }));
  const { responses } = (await send(requestOf('ListOffsets', { replicaId, isolationLevel, topics: asked }))) as {
    readonly responses: readonly {
      readonly partitions: readonly (Code & { readonly partition: number; readonly offset: string })[];
    }[];
  };
  judge(
    'ListOffsets',
    responses.flatMap(({ partitions }) => partitions),
  );
  return {
    topics: responses.map(({ partitions }) => ({
      partitions: partitions.map(({ partition: partitionIndex, offset }) => ({
        partitionIndex,
        offset: BigInt(offset),
      })),
    })),
  };
});

speak(offsetCommit, 'OffsetCommit', async (send, groupId, groupGenerationId, memberId, _instance, topics) => {
  const committed = topics.map(({ name: topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partitionIndex: partition, committedOffset }) => ({
      partition,
      offset: String(committedOffset),
    })),
  }));
  const { responses } = (await send(
    requestOf('OffsetCommit', { groupId, groupGenerationId, memberId, topics: committed }),
  )) as { readonly responses: readonly { readonly partitions: readonly Code[] }[] };
  judge(
    'OffsetCommit',
    responses.flatMap(({ partitions }) => partitions),
  );
});

speak(initProducerId, 'InitProducerId', async (send, transactionalId, timeout_ms, producerId, producerEpoch) => {
  const answer = (await send(
    initProducerIdRequest(transactionalId ?? null, timeout_ms, producerId, producerEpoch),
  )) as Code;
  judge('InitProducerId', [answer]);
  return answer;
});

speak(addPartitionsToTxn, 'AddPartitionsToTxn', async (send, transactions) => {
  for (const { transactionalId, producerId, producerEpoch, topics } of transactions) {
    const added = topics.map(({ name: topic, partitions }) => ({ topic, partitions }));
    const { errors } = (await send(
      requestOf('AddPartitionsToTxn', {
        transactionalId,
        producerId: String(producerId),
        producerEpoch,
        topics: added,
      }),
    )) as { readonly errors: readonly { readonly partitionErrors: readonly Code[] }[] };
    judge(
      'AddPartitionsToTxn',
      errors.flatMap(({ partitionErrors }) => partitionErrors),
    );
  }
});

speak(endTxn, 'EndTxn', async (send, transactionalId, producerId, producerEpoch, transactionResult) => {
  const options = { transactionalId, producerId: String(producerId), producerEpoch, transactionResult };
  judge('EndTxn', [(await send(requestOf('EndTxn', options))) as Code]);
});

const acksAll = -1;

/** kafkajs compresses a whole request, or nothing of it. */
speak(produce, 'Produce', async (send, transactionalId, timeout, topics) => {
  const partitions: ProducedPartition[] = [];
  for (const compression of ['none', 'gzip'] as const) {
    const batches = topics
      .flatMap(({ topic, partitions: written }) => written.map((one) => ({ topic, ...one })))
      .map(({ topic, partition, records }) => ({ topic, partition, ...(records as GatheredRecords) }))
      .filter((batch) => batch.compression === compression);
    const [first] = batches;
    if (first === undefined) continue;
    const topicData = [...new Set(batches.map(({ topic }) => topic))].map((topic) => ({
      topic,
      partitions: batches
        .filter((batch) => batch.topic === topic)
        .map(({ partition, baseSequence: firstSequence, messages }) => ({ partition, firstSequence, messages })),
    }));
    const answer = (await send(
      requestOf('Produce', {
        acks: acksAll,
        timeout,
        transactionalId,
        producerId: String(first.producerId),
        producerEpoch: first.producerEpoch,
        compression: compression === 'gzip' ? compressionCode.gzip : compressionCode.none,
        topicData,
      }),
    )) as {
      readonly topics: readonly {
        readonly topicName: string;
        readonly partitions: readonly (Code & { readonly partition: number })[];
      }[];
    };
    for (const { topicName: topic, partitions: produced } of answer.topics) {
      for (const { partition, errorCode } of produced) {
        partitions.push({ topic, partition, errorCode, errorMessage: null });
      }
    }
  }
  return { throttleTimeMs: 0, partitions };
});

speak(
  fetch,
  'Fetch',
  async (send, maxWaitTime, minBytes, maxBytes, isolationLevel, sessionId, sessionEpoch, topics) => {
    const asked = topics.map(({ topicId: topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, fetchOffset, partitionMaxBytes: partitionMax }) => ({
        partition,
        fetchOffset: String(fetchOffset),
        maxBytes: partitionMax,
      })),
    }));
    const { errorCode, partitions } = (await send(
      fetchRequest({
        replicaId: -1,
        maxWaitTime,
        minBytes,
        maxBytes,
        isolationLevel,
        sessionId,
        sessionEpoch,
        topics: asked,
      }),
    )) as Code & { readonly partitions: readonly FetchedBatches[] };
    return {
      throttleTimeMs: 0,
      errorCode,
      partitions: partitions.map(({ size_bytes: length, batches, failure, ...head }) => {
        const records: DecodedRecords = { length, batches, failure };
        return { ...head, records };
      }),
    };
  },
);
