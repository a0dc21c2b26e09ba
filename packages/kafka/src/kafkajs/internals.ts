// The one file that depends on what kafkajs does not promise: a connection, its requests by version, its record batches.
//
// Its public producer and consumer will not do. The consumer joins a group, and where a position is gone it goes on
// somewhere else without a word, and overwrites the group's offsets. The producer sleeps a third of a second whenever a
// coordinator is busy, whatever it is told; counts sequence numbers so that a batch of the next transaction may be taken
// for one that was undone, and dropped; and cannot open again without fencing. Below them kafkajs tries nothing twice:
// what is tried again, and when, is decided in retrying.ts, as for the other client.
//
// kafkajs has an exact version in package.json; internals.test.ts fails when another one has moved any of this.
import type { Buffer } from 'node:buffer';
import type Connection from 'kafkajs/src/network/connection.js';
import type { ConnectionOptions, Protocol } from 'kafkajs/src/network/connection.js';
import type Decoder from 'kafkajs/src/protocol/decoder.js';
import type decodeBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
import { compressionCode } from '../codec/batch-format.ts';
import { decompress } from '../codec/compression.ts';
import { loadZstd } from '../codec/zstd.ts';

/** Of each request the version that is spoken, by kafkajs's names: all of them from Kafka 3.5 to 4.1. */
export const spoken = {
  Produce: 7,
  Fetch: 11,
  ListOffsets: 3,
  Metadata: 6,
  OffsetCommit: 5,
  GroupCoordinator: 2,
  InitProducerId: 3,
  AddPartitionsToTxn: 1,
  EndTxn: 1,
  DescribeConfigs: 2,
} as const satisfies Readonly<Record<string, number>>;

export type Name = keyof typeof spoken;
export type Versions = Parameters<Connection['setVersions']>[0];

/** A record batch as kafkajs decodes it. */
export type Batch = Awaited<ReturnType<typeof decodeBatch>>;

export interface FetchedBatches {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
  readonly size_bytes: number;
  /** Whole ones, up to the first that cannot be decoded. */
  readonly batches: readonly Batch[];
  readonly failure: Error | undefined;
}

let loaded: typeof import('./library.ts') | undefined;

/** To be awaited before anything else of this file is called. */
export async function loadKafkajs(): Promise<void> {
  loaded ??= await import('./library.ts');
  registerDecompressors();
}

function library(): typeof import('./library.ts') {
  if (loaded === undefined) throw new Error('kafkajs has not been loaded');
  return loaded;
}

const silent = { namespace: () => silent, debug: ignore, info: ignore, warn: ignore, error: ignore };

export function newConnection(
  options: Pick<ConnectionOptions, 'host' | 'port' | 'clientId' | 'connectionTimeout' | 'socketFactory'> & {
    readonly ssl: object | undefined;
    readonly sasl: object | undefined;
  },
): Connection {
  const connection = new (library().Connection)({
    ...options,
    ssl: options.ssl ?? null,
    // kafkajs writes to it.
    sasl: options.sasl === undefined ? null : { ...options.sasl },
    logger: silent,
    // Deadlines are the caller's.
    requestTimeout: never_ms,
    enforceRequestTimeout: false,
  });
  withoutTicking(connection);
  return connection;
}

/** After its first answer kafkajs looks every millisecond for requests that wait, for ever; they only do while brokers throttle. */
function withoutTicking({ requestQueue }: Connection): void {
  const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
  requestQueue.scheduleCheckPendingRequests = () => {
    if (requestQueue.pending.length > 0) schedule();
  };
}

const never_ms = 2_147_483_647;

/** Asks what the broker speaks, and logs in where there is a login. */
export async function introduce(connection: Connection): Promise<Versions> {
  const { apiVersions } = (await connection.send(protocol('ApiVersions', 2))) as {
    readonly apiVersions: readonly { readonly apiKey: number; minVersion: number; maxVersion: number }[];
  };
  const versions = Object.fromEntries(apiVersions.map(({ apiKey, ...range }) => [apiKey, range]));
  connection.setVersions(versions);
  connection.setSupportAuthenticationProtocol(true);
  await connection.authenticate();
  return versions;
}

/** Answers come with their error codes: nothing is thrown for them. */
export function requestOf(name: Exclude<Name, 'Fetch' | 'InitProducerId'>, options: object): Protocol {
  return unjudged(protocol(name, spoken[name], options));
}

/** With what kafkajs leaves out of its answers: batches without records, which compaction leaves behind. */
export function fetchRequest(options: object): Protocol {
  return { ...unjudged(protocol('Fetch', spoken.Fetch, options)), response: { decode: decodeFetch, parse: asItIs } };
}

/**
 * kafkajs knows versions up to 1, by which nobody can tell who is asking: whoever undoes a transaction of its own could
 * not go on without fencing a newcomer.
 */
export function initProducerIdRequest(
  transactionalId: string | null,
  timeout_ms: number,
  producerId: bigint,
  producerEpoch: number,
): Protocol {
  return {
    request: {
      apiKey: 22,
      apiVersion: spoken.InitProducerId,
      apiName: 'InitProducerId',
      encode: () =>
        Promise.resolve(
          // The first of the two ends is that of the request's head, which has one from version 2 on.
          new (library().Encoder)()
            .writeUVarInt(noTaggedFields)
            .writeUVarIntString(transactionalId)
            .writeInt32(timeout_ms)
            .writeInt64(String(producerId))
            .writeInt16(producerEpoch)
            .writeUVarInt(noTaggedFields),
        ),
    },
    response: {
      decode: (payload) => {
        const decoder = new (library().Decoder)(payload);
        for (let left = decoder.readUVarInt(); left > 0; left--) {
          decoder.readUVarInt();
          decoder.forward(decoder.readUVarInt());
        }
        const clientSideThrottleTime = decoder.readInt32();
        const errorCode = decoder.readInt16();
        return Promise.resolve({
          clientSideThrottleTime,
          errorCode,
          producerId: decoder.readInt64(),
          producerEpoch: decoder.readInt16(),
        });
      },
      parse: asItIs,
    },
  };
}

const noTaggedFields = 0;

function protocol(name: string, version: number, options?: object): Protocol {
  const make = library().definitions.requests[name]?.protocol({ version });
  if (make === undefined) throw new Error(`kafkajs does not speak version ${String(version)} of ${name}`);
  return make(options ?? {});
}

function unjudged(made: Protocol): Protocol {
  const { request, response } = made;
  return { request, response: { decode: (payload) => response.decode(payload), parse: asItIs } };
}

async function decodeFetch(payload: Buffer): Promise<unknown> {
  const decoder = new (library().Decoder)(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  decoder.readInt32();
  const partitions: FetchedBatches[] = [];
  for (let topics = decoder.readInt32(); topics > 0; topics--) {
    decoder.readString();
    for (let left = decoder.readInt32(); left > 0; left--) partitions.push(await decodePartition(decoder));
  }
  return { clientSideThrottleTime, errorCode, partitions };
}

async function decodePartition(decoder: Decoder): Promise<FetchedBatches> {
  const head = {
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: Number(decoder.readInt64()),
    lastStableOffset: Number(decoder.readInt64()),
    logStartOffset: Number(decoder.readInt64()),
    aborted: decoder.readArray((one) => ({ producerId: one.readInt64(), firstOffset: Number(one.readInt64()) })),
  };
  decoder.readInt32();
  const size_bytes = Math.max(0, decoder.readInt32());
  const bytes = size_bytes === 0 ? null : decoder.readBytes(size_bytes);
  return { ...head, size_bytes, ...(await decodeBatches(bytes)) };
}

const batchHead_bytes = 61;
const magicAt = 16;
const currentMagic = 2;

async function decodeBatches(bytes: Buffer | null): Promise<Pick<FetchedBatches, 'batches' | 'failure'>> {
  const batches: Batch[] = [];
  if (bytes === null) return { batches, failure: undefined };
  const decoder = new (library().Decoder)(bytes);
  try {
    while (decoder.canReadBytes(batchHead_bytes)) {
      if (bytes[decoder.offset + magicAt] !== currentMagic)
        throw new Error('its message format is not the current one');
      batches.push(await library().decodeBatch(decoder));
    }
  } catch (thrown) {
    const failure = thrown instanceof Error ? thrown : new Error(String(thrown));
    // The last one may be there in part; the first is always whole.
    if (failure.name !== 'KafkaJSPartialMessageError') return { batches, failure };
  }
  return { batches, failure: undefined };
}

/** kafkajs brings gzip only, and takes others: this is public. */
function registerDecompressors(): void {
  const { CompressionCodecs, CompressionTypes } = library();
  const codecs = CompressionCodecs as Record<number, () => unknown>;
  for (const [type, code] of [
    [CompressionTypes.Snappy, compressionCode.snappy],
    [CompressionTypes.LZ4, compressionCode.lz4],
    [CompressionTypes.ZSTD, compressionCode.zstd],
  ] as const) {
    codecs[type] = () => ({
      compress: () => Promise.reject(new Error('only gzip is written')),
      decompress: async (compressed: Buffer) => {
        if (code === compressionCode.zstd) await loadZstd();
        return decompress(code, compressed, 0);
      },
    });
  }
}

function asItIs(decoded: unknown): Promise<unknown> {
  return Promise.resolve(decoded);
}

function ignore(): void {
  // kafkajs's own words are for its own users.
}
