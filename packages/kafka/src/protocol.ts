// The requests that Tandem sends, in every version that it speaks (Kafka 3.5 to 4.x). Requests and answers are the
// client library's, but for the two that carry records: those stay bytes here, and are read and written by the codec.
import { Buffer } from 'node:buffer';
import {
  Writer,
  addPartitionsToTxnV3,
  createAPI,
  describeConfigsV4,
  endTxnV3,
  endTxnV4,
  fetchV13,
  fetchV14,
  fetchV15,
  fetchV16,
  fetchV17,
  findCoordinatorV4,
  findCoordinatorV5,
  findCoordinatorV6,
  initProducerIdV3,
  initProducerIdV4,
  initProducerIdV5,
  listOffsetsV7,
  listOffsetsV8,
  listOffsetsV9,
  metadataV11,
  metadataV12,
  offsetCommitV8,
  offsetCommitV9,
  type API,
  type Callback,
  type Connection,
  type Reader,
} from '@platformatic/kafka';
import type { AbortedTransaction } from './codec/record-batch-reader.ts';
import type { Records } from './records.ts';

/** One kind of request, in the versions that are spoken here, by number. */
export interface Request<Arguments extends unknown[], Answer> {
  readonly name: string;
  readonly key: number;
  readonly versions: ReadonlyMap<number, Send<Arguments, Answer>>;
}

type Send<Arguments extends unknown[], Answer> = (
  connection: Connection,
  ...rest: [...Arguments, Callback<Answer>]
) => void;

function request<Arguments extends unknown[], Answer>(
  name: string,
  apis: readonly API<Arguments, Answer>[],
): Request<Arguments, Answer> {
  const versions = new Map(apis.map((api) => [api.version, api as Send<Arguments, Answer>]));
  return { name, key: apis[0]?.key ?? -1, versions };
}

export const metadata = request('Metadata', [metadataV11.api, metadataV12.api]);
export const findCoordinator = request('FindCoordinator', [
  findCoordinatorV4.api,
  findCoordinatorV5.api,
  findCoordinatorV6.api,
]);
export const describeConfigs = request('DescribeConfigs', [describeConfigsV4.api]);
export const listOffsets = request('ListOffsets', [listOffsetsV7.api, listOffsetsV8.api, listOffsetsV9.api]);
export const offsetCommit = request('OffsetCommit', [offsetCommitV8.api, offsetCommitV9.api]);
export const initProducerId = request('InitProducerId', [
  initProducerIdV3.api,
  initProducerIdV4.api,
  initProducerIdV5.api,
]);
/** From version 4 on it is for brokers among themselves, and needs their rights. */
export const addPartitionsToTxn = request('AddPartitionsToTxn', [addPartitionsToTxnV3.api]);
/** From version 5 on every transaction would get an epoch of its own. */
export const endTxn = request('EndTxn', [endTxnV3.api, endTxnV4.api]);

/** ListOffsets: what `timestamp` stands for. */
export const latestOffset = -1n;
export const earliestOffset = -2n;
export const readUncommitted = 0;
export const readCommitted = 1;

export interface PartitionRecords {
  readonly partition: number;
  /** A finished batch. */
  readonly records: Records;
}

export interface TopicRecords {
  readonly topic: string;
  readonly partitions: readonly PartitionRecords[];
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export interface ProduceAnswer {
  readonly throttleTimeMs: number;
  readonly partitions: readonly ProducedPartition[];
}

/** From version 12 on partitions would enter the transaction by being written to. */
const produceVersions = [9, 10, 11];

export const produce = request(
  'Produce',
  produceVersions.map((version) =>
    createAPI<[transactionalId: string | null, timeout_ms: number, topics: readonly TopicRecords[]], ProduceAnswer>(
      0,
      version,
      produceRequest,
      produceAnswer,
    ),
  ),
);

const acksAll = -1;

function produceRequest(transactionalId: string | null, timeout_ms: number, topics: readonly TopicRecords[]): Writer {
  const writer = Writer.create().appendString(transactionalId).appendInt16(acksAll).appendInt32(timeout_ms);
  writer.appendUnsignedVarInt(topics.length + 1);
  for (const { topic, partitions } of topics) {
    writer.appendString(topic).appendUnsignedVarInt(partitions.length + 1);
    for (const { partition, records } of partitions) {
      writer.appendInt32(partition).appendUnsignedVarInt(records.length + 1);
      writer.append(records as Buffer).appendTaggedFields();
    }
    writer.appendTaggedFields();
  }
  return writer.appendTaggedFields();
}

function produceAnswer(_correlation: number, _key: number, _version: number, reader: Reader): ProduceAnswer {
  const partitions: ProducedPartition[] = [];
  times(reader, () => {
    const topic = reader.readString();
    times(reader, () => {
      const partition = reader.readInt32();
      const errorCode = reader.readInt16();
      reader.skip(baseOffset_bytes + logAppendTime_bytes + logStartOffset_bytes);
      times(reader, () => {
        reader.readInt32();
        reader.readNullableString();
      });
      partitions.push({ topic, partition, errorCode, errorMessage: reader.readNullableString() });
    });
  });
  return { throttleTimeMs: reader.readInt32(), partitions };
}

const baseOffset_bytes = 8;
const logAppendTime_bytes = 8;
const logStartOffset_bytes = 8;

export interface FetchPartition {
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: bigint;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  /** -1 where an error came instead. */
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Whole batches and perhaps the beginning of one more; empty where there is nothing. */
  readonly records: Records;
}

export interface FetchAnswer {
  readonly throttleTimeMs: number;
  readonly errorCode: number;
  /** Of all topics asked for. */
  readonly partitions: readonly FetchedPartition[];
}

export type FetchArguments = [
  maxWait_ms: number,
  minBytes: number,
  maxBytes: number,
  isolation: number,
  sessionId: number,
  sessionEpoch: number,
  topics: readonly { readonly topicId: string; readonly partitions: readonly FetchPartition[] }[],
  forgotten: readonly never[],
  rackId: string,
];

export const fetch = request(
  'Fetch',
  [fetchV13, fetchV14, fetchV15, fetchV16, fetchV17].map(({ api, createRequest }) =>
    createAPI<FetchArguments, FetchAnswer>(1, api.version, createRequest, fetchAnswer),
  ),
);

/** What a broker must speak for a pair to run on it. */
export const everyRequest: readonly Request<never[], unknown>[] = [
  metadata,
  findCoordinator,
  describeConfigs,
  listOffsets,
  offsetCommit,
  initProducerId,
  addPartitionsToTxn,
  endTxn,
  produce,
  fetch,
].map((one) => one as unknown as Request<never[], unknown>);

const nothing = Buffer.alloc(0);

function fetchAnswer(_correlation: number, _key: number, _version: number, reader: Reader): FetchAnswer {
  const partitions: FetchedPartition[] = [];
  const throttleTimeMs = reader.readInt32();
  const errorCode = reader.readInt16();
  reader.readInt32();
  times(reader, () => {
    reader.skip(topicId_bytes);
    times(reader, () => {
      const partition = reader.readInt32();
      const partitionError = reader.readInt16();
      const highWatermark = Number(reader.readInt64());
      const lastStableOffset = Number(reader.readInt64());
      const logStartOffset = Number(reader.readInt64());
      const aborted: AbortedTransaction[] = [];
      times(reader, () => {
        aborted.push({ producerId: reader.readInt64(), firstOffset: Number(reader.readInt64()) });
      });
      reader.readInt32();
      const length = reader.readUnsignedVarInt() - 1;
      // One buffer per partition: a copy only where it came in several pieces.
      const records = length > 0 ? reader.buffer.slice(reader.position, reader.position + length) : nothing;
      if (length > 0) reader.skip(length);
      partitions.push({
        partition,
        errorCode: partitionError,
        highWatermark,
        lastStableOffset,
        logStartOffset,
        aborted,
        records,
      });
    });
  });
  return { throttleTimeMs, errorCode, partitions };
}

const topicId_bytes = 16;

/** An array of structures; each ends with tagged fields, which the library's own reader cannot pass over. */
function times(reader: Reader, readElement: () => void): void {
  const count = reader.readUnsignedVarInt() - 1;
  for (let index = 0; index < count; index++) {
    readElement();
    skipTaggedFields(reader);
  }
}

function skipTaggedFields(reader: Reader): void {
  for (let count = reader.readUnsignedVarInt(); count > 0; count--) {
    reader.readUnsignedVarInt();
    reader.skip(reader.readUnsignedVarInt());
  }
}
