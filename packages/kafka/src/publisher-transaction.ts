// One publishing transaction, from the partitions it touches to its end, and what is known when a step fails.
import { TandemError, toError } from '@tandem/ports';
import { BrokerError, isFencing } from './errors.ts';
import { defaultLimit_bytes, type PartitionBatch, type TopicPartitions } from './publisher-outputs.ts';
import { BatchRefused, type Producer } from './publisher-producer.ts';

export type TransactionOutcome =
  | { readonly outcome: 'published' }
  | { readonly outcome: 'fenced' }
  /** Surely undone; the producer goes on. */
  | { readonly outcome: 'retryable'; readonly cause: Error }
  | { readonly outcome: 'fatal'; readonly cause: Error }
  /** The producer cannot be used any more. */
  | { readonly outcome: 'unknown'; readonly cause: Error };

export interface TransactionLimits {
  /** Until every batch is acknowledged; well below the time-out of the transaction. */
  readonly produceLimit_ms: number;
  readonly endLimit_ms: number;
  readonly undoLimit_ms: number;
}

/** What a person needs to know of a sink whose topic refuses a batch. */
export interface SinkNaming {
  readonly topic: string;
  readonly sinks: readonly string[];
  readonly limit_bytes: number | undefined;
}

export class Transaction {
  readonly #producer: Producer;
  readonly #limits: TransactionLimits;
  readonly #adding: Promise<unknown>;

  /** Begins: the partitions are told to the coordinator while the caller still encodes. */
  constructor(producer: Producer, topics: readonly TopicPartitions[], limits: TransactionLimits) {
    this.#producer = producer;
    this.#limits = limits;
    // Its failure is taken up by `run` or `abandon`.
    this.#adding = producer.add(topics, limits.produceLimit_ms).catch((thrown: unknown) => new Failure(thrown));
  }

  async run(
    rounds: readonly (readonly PartitionBatch[])[],
    namings: readonly SinkNaming[],
  ): Promise<TransactionOutcome> {
    const { produceLimit_ms, endLimit_ms } = this.#limits;
    try {
      const added = await this.#adding;
      if (added instanceof Failure) throw added.thrown;
      for (const round of rounds) await this.#producer.produce(round, produceLimit_ms);
    } catch (thrown) {
      return await this.#giveUp(thrown, namings);
    }
    try {
      await this.#producer.end('commit', endLimit_ms);
      return { outcome: 'published' };
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) return { outcome: 'unknown', cause: toError(thrown) };
      if (isFenced(thrown.error)) return { outcome: 'fenced' };
      // The one refusal that promises that nothing was committed.
      if (thrown.error === 'TRANSACTION_ABORTABLE') return await this.#giveUp(thrown, namings);
      return { outcome: 'unknown', cause: thrown };
    }
  }

  /** The batch cannot be written at all. */
  async abandon(cause: Error): Promise<TransactionOutcome> {
    await this.#adding;
    return await this.#undone({ outcome: 'fatal', cause });
  }

  /** Nothing has been committed, and nothing will be once it is undone. */
  async #giveUp(thrown: unknown, namings: readonly SinkNaming[]): Promise<TransactionOutcome> {
    const cause = toError(thrown);
    if (cause instanceof BrokerError) {
      if (isFenced(cause.error)) return { outcome: 'fenced' };
      if (isRefusal(cause.error)) return await this.#undone({ outcome: 'fatal', cause: refusal(cause, namings) });
    }
    return await this.#undone({ outcome: 'retryable', cause });
  }

  async #undone(known: TransactionOutcome & { readonly cause: Error }): Promise<TransactionOutcome> {
    try {
      await this.#producer.undo(this.#limits.undoLimit_ms);
      return known;
    } catch (thrown) {
      if (thrown instanceof BrokerError && isFenced(thrown.error)) return { outcome: 'fenced' };
      return { outcome: 'unknown', cause: known.cause };
    }
  }
}

class Failure {
  readonly thrown: unknown;
  constructor(thrown: unknown) {
    this.thrown = thrown;
  }
}

/** Also where the coordinator has forgotten this producer: only opening again helps then. */
function isFenced(error: string): boolean {
  return isFencing(error) || error === 'INVALID_PRODUCER_ID_MAPPING';
}

const refusals = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TIMESTAMP',
  'INVALID_RECORD',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'POLICY_VIOLATION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
]);

/** Trying again cannot help. */
function isRefusal(error: string): boolean {
  return refusals.has(error);
}

function refusal(cause: BrokerError, namings: readonly SinkNaming[]): TandemError {
  const options = { blame: 'user', cause } as const;
  if (!(cause instanceof BatchRefused)) {
    const todo = 'Grant Write on the topics and on the transactional id (see the documentation of the Kafka adapter)';
    return new TandemError('sink-refused', `Kafka refuses to publish: ${cause.message}. ${todo}`, options);
  }
  const { topic, writer } = cause.batch;
  const { sinks = [], limit_bytes } = namings.find((naming) => naming.topic === topic) ?? {};
  const sink = sinks.length === 0 ? '' : `sink ${sinks.map((name) => `'${name}'`).join(' or ')}, `;
  if (cause.error === 'MESSAGE_TOO_LARGE' || cause.error === 'RECORD_LIST_TOO_LARGE') {
    const limit = limit_bytes === undefined ? `not known, usually ${String(defaultLimit_bytes)}` : String(limit_bytes);
    const what = `${sink}topic '${topic}' does not take a batch of ${String(writer.size_bytes)} bytes with ${String(writer.count)} record${writer.count === 1 ? '' : 's'}: its max.message.bytes is ${limit}`;
    return new TandemError('sink-refused', `${what}. Raise it, or have the app put out smaller records`, options);
  }
  return new TandemError(
    'sink-refused',
    `${sink}topic '${topic}' refuses an output: ${cause.message}. Correct the app or the topic; nothing of this batch was published`,
    options,
  );
}
