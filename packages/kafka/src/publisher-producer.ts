// A transactional producer: one identity at the brokers, its epoch, its sequence numbers, and the steps of a transaction
// in the protocol of Kafka 2.5 to 4.x (partitions added first, one epoch per opening).
//
// The steps go one after the other. A batch sent before its partitions were surely added could still fall into the
// transaction before; a commit sent before every batch was acknowledged could commit only a part.
import { BrokerError, ConnectionLost, errorName, isPassing } from './errors.ts';
import type { Cluster, Purpose } from './cluster.ts';
import {
  addPartitionsToTxn,
  endTxn,
  initProducerId,
  produce,
  type PartitionRecords,
  type ProducedPartition,
} from './protocol.ts';
import type { PartitionBatch, TopicPartitions } from './publisher-outputs.ts';
import { forget, pause, persistently, type Stale } from './retrying.ts';

export interface ProducerOptions {
  readonly cluster: Cluster;
  readonly transactionalId: string;
  readonly transactionTimeout_ms: number;
  readonly purpose: Purpose;
}

/** A batch that a broker refused; what kind of refusal it is, the transaction decides. */
export class BatchRefused extends BrokerError {
  readonly batch: PartitionBatch;
  constructor(batch: PartitionBatch, { errorCode, errorMessage }: ProducedPartition) {
    super(`topic '${batch.topic}' partition ${String(batch.partition)}`, errorName(errorCode), errorMessage);
    this.batch = batch;
  }
}

/** Sequence numbers start again after this one. */
const sequences = 2 ** 31;
const newcomer = { id: -1n, epoch: -1 };
/** How long a leader may wait for its copies. */
const produceAnswer_ms = 5000;
/** A broker that hangs is to be noticed before the transaction runs out of time. */
const answerLimit_ms = 6000;

export class Producer {
  readonly #options: ProducerOptions;
  readonly #stale: Stale;
  #identity = newcomer;
  /** Next sequence number by topic and partition. */
  readonly #sequences = new Map<string, number>();
  /** Partitions may have been added to a transaction that has not ended. */
  #isBegun = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#stale = { coordinator: { of: 'transaction', id: options.transactionalId } };
  }

  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Fences whoever opened before; ends what it left open. @throws BrokerError, ConnectionLost, TandemError. */
  async open(limit_ms: number): Promise<void> {
    await this.#initialise(newcomer, limit_ms);
  }

  /** Makes the partitions part of the transaction, which begins with the first of them. @throws as `open`. */
  async add(topics: readonly TopicPartitions[], limit_ms: number): Promise<void> {
    const { transactionalId } = this.#options;
    this.#isBegun = true;
    const transaction = {
      transactionalId,
      producerId: this.#identity.id,
      producerEpoch: this.#identity.epoch,
      verifyOnly: false,
      topics: topics.map(({ name, partitions }) => ({ name, partitions: [...partitions] })),
    };
    await this.#atCoordinator(limit_ms, (connection) =>
      connection.send(addPartitionsToTxn, [[transaction]], answerLimit_ms),
    );
  }

  /**
   * At most one batch per partition, each surely appended exactly once when it resolves: asked again, a broker knows a
   * batch by its sequence number. @throws BatchRefused, ConnectionLost.
   */
  async produce(batches: readonly PartitionBatch[], limit_ms: number): Promise<void> {
    const { cluster } = this.#options;
    const end_ms = cluster.clock.now_ms() + limit_ms;
    let left = batches;
    for (let wait_ms = 2; ; wait_ms = Math.min(wait_ms * 2, 100)) {
      const results = await this.#produceOnce(left);
      const failed: PartitionBatch[] = [];
      let cause: Error | undefined;
      for (const { batch, failure } of results) {
        if (failure === undefined) this.#advance(batch);
        else if (failure instanceof BatchRefused && failure.error === 'DUPLICATE_SEQUENCE_NUMBER') this.#advance(batch);
        else if (failure instanceof ConnectionLost || isPassing(failure.error)) {
          forget(cluster, { topic: batch.topic }, failure);
          failed.push(batch);
          cause = failure;
        } else throw failure;
      }
      if (cause === undefined) return;
      if (cluster.isClosed || cluster.clock.now_ms() + wait_ms >= end_ms) throw cause;
      await pause(cluster.clock, wait_ms);
      left = failed;
    }
  }

  /** Commits, or undoes. Asked again, a coordinator answers the same. @throws as `open`. */
  async end(how: 'commit' | 'abort', limit_ms: number): Promise<void> {
    const { transactionalId } = this.#options;
    const { id, epoch } = this.#identity;
    await this.#atCoordinator(limit_ms, (connection) =>
      connection.send(endTxn, [transactionalId, id, epoch, how === 'commit'], answerLimit_ms),
    );
    this.#isBegun = false;
  }

  /**
   * Undoes what was begun and goes on under the next epoch, where sequence numbers start again; only as long as nobody
   * else has opened. @throws as `open`; nothing is known then.
   */
  async undo(limit_ms: number): Promise<void> {
    if (this.#isBegun) {
      try {
        await this.end('abort', limit_ms);
      } catch (thrown) {
        // Nothing had been added yet.
        if (!(thrown instanceof BrokerError) || thrown.error !== 'INVALID_TXN_STATE') throw thrown;
      }
    }
    await this.#initialise(this.#identity, limit_ms);
  }

  async #initialise(known: typeof newcomer, limit_ms: number): Promise<void> {
    const { transactionalId, transactionTimeout_ms } = this.#options;
    const answer = await this.#atCoordinator(limit_ms, (connection) =>
      connection.send(initProducerId, [transactionalId, transactionTimeout_ms, known.id, known.epoch], answerLimit_ms),
    );
    this.#identity = { id: answer.producerId, epoch: answer.producerEpoch };
    this.#sequences.clear();
    this.#isBegun = false;
  }

  async #atCoordinator<T>(
    limit_ms: number,
    send: (connection: Awaited<ReturnType<Cluster['connection']>>) => Promise<T>,
  ): Promise<T> {
    const { cluster, transactionalId, purpose } = this.#options;
    return await persistently(cluster, this.#stale, limit_ms, async () => {
      const node = await cluster.coordinator('transaction', transactionalId);
      return await send(await cluster.connection(node, purpose));
    });
  }

  #advance({ topic, partition, writer }: PartitionBatch): void {
    const key = `${topic}/${String(partition)}`;
    this.#sequences.set(key, ((this.#sequences.get(key) ?? 0) + writer.count) % sequences);
  }

  /** One request for each broker that leads some of them. */
  async #produceOnce(batches: readonly PartitionBatch[]): Promise<Result[]> {
    const { cluster } = this.#options;
    const results: Result[] = [];
    const byNode = new Map<number, PartitionBatch[]>();
    for (const batch of batches) {
      try {
        // Without waiting where it is known.
        const known = cluster.knownTopic(batch.topic)?.leaders[batch.partition];
        const node = known ?? (await cluster.leader(batch.topic, batch.partition));
        const same = byNode.get(node);
        if (same === undefined) byNode.set(node, [batch]);
        else same.push(batch);
      } catch (thrown) {
        results.push({ batch, failure: failureOf(thrown) });
      }
    }
    const answers = await Promise.all([...byNode].map(([node, same]) => this.#produceAt(node, same)));
    return [...results, ...answers.flat()];
  }

  async #produceAt(node: number, batches: readonly PartitionBatch[]): Promise<Result[]> {
    const { cluster, transactionalId, purpose } = this.#options;
    try {
      const connection = await cluster.connection(node, purpose);
      const topics = new Map<string, PartitionRecords[]>();
      for (const batch of batches) {
        const partitions = topics.get(batch.topic) ?? [];
        topics.set(batch.topic, partitions);
        partitions.push({ partition: batch.partition, records: this.#finish(batch) });
      }
      const request = [...topics].map(([topic, partitions]) => ({ topic, partitions }));
      const answer = await connection.send(produce, [transactionalId, produceAnswer_ms, request], answerLimit_ms);
      return batches.map((batch) => ({ batch, failure: failureIn(batch, answer.partitions) }));
    } catch (thrown) {
      const failure = failureOf(thrown);
      return batches.map((batch) => ({ batch, failure }));
    }
  }

  #finish({ topic, partition, writer, compression }: PartitionBatch) {
    return writer.finish({
      producerId: this.#identity.id,
      producerEpoch: this.#identity.epoch,
      baseSequence: this.#sequences.get(`${topic}/${String(partition)}`) ?? 0,
      transactional: true,
      compression,
    });
  }
}

interface Result {
  readonly batch: PartitionBatch;
  readonly failure: BrokerError | ConnectionLost | undefined;
}

function failureIn(batch: PartitionBatch, answers: readonly ProducedPartition[]): BrokerError | undefined {
  const answer = answers.find(({ topic, partition }) => topic === batch.topic && partition === batch.partition);
  if (answer === undefined) return new BrokerError('Produce', 'UNKNOWN_TOPIC_OR_PARTITION');
  return answer.errorCode === 0 ? undefined : new BatchRefused(batch, answer);
}

function failureOf(thrown: unknown): BrokerError | ConnectionLost {
  if (thrown instanceof BrokerError || thrown instanceof ConnectionLost) return thrown;
  return new ConnectionLost(thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}
