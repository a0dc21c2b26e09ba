// All of a lane's sinks on one Kafka: outputs and published positions in one transaction, fenced by its transactional id.
import type { Epoch, Position, Positions, TaskId } from '@tandem/pair';
import {
  TandemError,
  toError,
  type Clock,
  type LaneContext,
  type OpenOutcome,
  type OutputBatch,
  type Publisher,
  type PublisherScope,
  type PublishOutcome,
  type ReadBack,
  type SinkLayout,
} from '@tandem/ports';
import { Cluster, type ClusterSettings } from './cluster.ts';
import type { KafkaSinkBinding, KafkaSystem } from './configuration.ts';
import { BrokerError } from './errors.ts';
import { GroupOffsets } from './group-offsets.ts';
import { PositionsTail } from './positions-tail.ts';
import { positionsBatch, positionsTopic, transactionalIdOf } from './positions-topic.ts';
import { Follower } from './publisher-follower.ts';
import { findSinks, type FoundSinks } from './publisher-layout.ts';
import { Outputs, type PartitionBatch } from './publisher-outputs.ts';
import { Producer } from './publisher-producer.ts';
import { rehearse } from './publisher-rehearsal.ts';
import { Transaction, type TransactionOutcome } from './publisher-transaction.ts';
import type { BatchWriter } from './records.ts';
import { persistently } from './retrying.ts';
import { Rivals } from './rivals.ts';

export interface PublisherSettings {
  /** How long the steps before the commit are tried; then the transaction is undone and may be tried again. */
  readonly publishLimit_ms: number;
  /** How long a commit is asked for; then its outcome is not known. */
  readonly endLimit_ms: number;
  readonly undoLimit_ms: number;
  readonly openLimit_ms: number;
  readonly readLimit_ms: number;
  readonly retry_ms: number;
  readonly followPoll_ms: number;
}

export interface PublisherOptions {
  readonly system: KafkaSystem;
  readonly sinks: readonly { readonly sink: string; readonly binding: KafkaSinkBinding }[];
  readonly scope: PublisherScope;
  readonly clock: Clock;
  readonly log: LaneContext['log'];
  readonly settings?: Partial<PublisherSettings & ClusterSettings>;
}

const defaults: PublisherSettings = {
  publishLimit_ms: 5000,
  endLimit_ms: 10_000,
  undoLimit_ms: 3000,
  openLimit_ms: 5000,
  readLimit_ms: 5000,
  retry_ms: 50,
  followPoll_ms: 500,
};

/** Steps before the commit end well before the brokers undo the transaction by themselves. */
const shareOfTimeout = 0.6;
const followRetry = { retryFirst_ms: 50, retryMost_ms: 2000 };
const rehearsalTries = 5;
/** What people's tools show is not worth a longer wait. */
const closeLimit_ms = 500;

/** One opening: the only way to publish, until it is fenced. */
interface Opening {
  readonly epoch: Epoch;
  readonly producer: Producer;
  reading: Promise<void> | undefined;
  /** What is stored: read once after the fence, and moved by nobody else from then on. */
  stored: { readonly epoch: Epoch | undefined; readonly positions: Map<TaskId, Position> } | undefined;
}

/** Nothing is connected to yet; sinks are checked by `layout`. @throws TandemError (user) for names that no topic can have. */
export function createKafkaPublisher(options: PublisherOptions): KafkaPublisher {
  return new KafkaPublisher(options);
}

export class KafkaPublisher implements Publisher {
  readonly #options: PublisherOptions;
  readonly #settings: PublisherSettings;
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #tail: PositionsTail;
  readonly #groupOffsets: GroupOffsets;
  readonly #followers = new Set<Follower>();
  readonly #positionsWriter: BatchWriter;
  readonly #rivals = new Rivals();
  #found: FoundSinks | undefined;
  #outputs: Outputs;
  #opening: Opening | undefined;
  #rehearsalsLeft = rehearsalTries;

  constructor(options: PublisherOptions) {
    this.#options = options;
    const { system, clock, scope, settings, log } = options;
    const publishLimit_ms = Math.min(defaults.publishLimit_ms, system.transactionTimeout * shareOfTimeout);
    this.#settings = { ...defaults, publishLimit_ms, ...settings };
    this.#cluster = new Cluster({ system, clock, ...(settings !== undefined && { settings }) });
    this.#positionsWriter = this.#cluster.codec.writer();
    this.#outputs = new Outputs([], this.#cluster.codec);
    this.#topic = positionsTopic(scope.pair, scope.app);
    this.#tail = new PositionsTail(this.#cluster, this.#topic, scope.lane);
    this.#groupOffsets = new GroupOffsets(this.#cluster, scope, log);
  }

  get warning(): string | undefined {
    return this.#rivals.isThere(this.#cluster.clock.now_ms()) ? this.#rivalText() : undefined;
  }

  async layout(): Promise<readonly SinkLayout[]> {
    const { sinks, scope, log } = this.#options;
    const found = await findSinks(this.#cluster, sinks, scope, this.#topic, log);
    if (this.#found === undefined) this.#outputs = new Outputs(found.sinks, this.#cluster.codec);
    this.#found ??= found;
    return found.sinks.map(({ sink, partitions }) => ({ sink, partitions }));
  }

  async prepare(example?: OutputBatch): Promise<void> {
    // The opening before is over. Before anything is waited for: an open may come meanwhile.
    const { epoch, stored } = this.#opening ?? {};
    this.#letGo();
    if (epoch !== undefined && stored?.epoch === epoch) {
      // It has published. All is warm, and a successor is opening just now: nothing is sent but what being asked back
      // would wait for.
      this.#rehearsalsLeft = 0;
      await this.#tail.readOn(this.#settings.readLimit_ms);
      return;
    }
    if (this.#found !== undefined && example !== undefined) this.#goThrough(example);
    if (this.#found === undefined) await this.layout();
    const { scope, system } = this.#options;
    const id = transactionalIdOf(scope);
    const { readLimit_ms } = this.#settings;
    // Leaders and coordinators move while nobody asks them for anything.
    if (this.#opening === undefined) this.#cluster.forgetCoordinator('transaction', id);
    await Promise.all(this.#topics().map((topic) => this.#cluster.refresh(topic)));
    await Promise.all([
      persistently(this.#cluster, { coordinator: { of: 'transaction', id } }, readLimit_ms, async () => {
        await this.#cluster.connection(await this.#cluster.coordinator('transaction', id), 'requests');
      }),
      this.#tail.readOn(readLimit_ms),
      ...this.#leaders().map((node) => this.#cluster.connection(node, 'requests')),
    ]);
    const partition = this.#found?.sparePartition;
    if (partition === undefined || this.#rehearsalsLeft === 0) return;
    this.#rehearsalsLeft--;
    const isWanted = (): boolean => this.#opening === undefined && !this.#cluster.isClosed;
    await rehearse(this.#cluster, scope, { topic: this.#topic, partition }, system.transactionTimeout, isWanted);
    this.#rehearsalsLeft = 0;
  }

  /** The stored epoch is left to `readBack`: what is stored may be older than the openings that came since. */
  async open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    this.#letGo();
    try {
      if (this.#found === undefined) await this.layout();
      const { scope, system } = this.#options;
      const producer = new Producer({
        cluster: this.#cluster,
        transactionalId: transactionalIdOf(scope),
        transactionTimeout_ms: system.transactionTimeout,
        purpose: 'requests',
      });
      await producer.open(this.#settings.openLimit_ms);
      const opening: Opening = { epoch, producer, reading: undefined, stored: undefined };
      this.#opening = opening;
      // While the epoch is being verified.
      const reading = this.#read(opening);
      reading.catch(() => undefined);
      if (initialise === undefined) return { outcome: 'opened', storedEpoch: undefined };
      await reading;
      return await this.#initialise(opening, initialise);
    } catch (thrown) {
      return this.#notOpened(thrown);
    }
  }

  async readBack(): Promise<ReadBack> {
    const opening = this.#opening;
    if (opening === undefined) throw new TandemError('publisher-closed', 'the publisher is not open: open it first.');
    try {
      await this.#read(opening);
    } catch (thrown) {
      if (thrown instanceof TandemError) throw thrown;
      const text = `published positions in topic '${this.#topic}' could not be read: ${toError(thrown).message}`;
      throw new TandemError('kafka-unreachable', text, { cause: thrown });
    }
    const positions = new Map<TaskId, Position>();
    for (const task of this.#options.scope.tasks) {
      const position = opening.stored?.positions.get(task);
      if (position !== undefined) positions.set(task, position);
    }
    return { positions, epoch: opening.stored?.epoch };
  }

  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    const opening = this.#opening;
    if (opening === undefined) return { outcome: 'fenced', byEpoch: undefined };
    if (opening.stored === undefined) {
      try {
        await this.#read(opening);
      } catch (thrown) {
        return { outcome: 'retryable', cause: toError(thrown), wait_ms: this.#settings.retry_ms };
      }
    }
    const stored = opening.stored?.positions;
    if (stored === undefined || !batch.moves.every((move) => stored.get(move.task) === move.from)) {
      this.#letGo(opening);
      return { outcome: 'fenced', byEpoch: undefined };
    }
    if (batch.count > 0 && !batch.moves.some((move) => move.to > move.from)) {
      const cause = new TandemError('internal', 'a batch with outputs must move a position (S5)');
      return { outcome: 'fatal', cause };
    }
    const moved = new Map(stored);
    for (const move of batch.moves) moved.set(move.task, move.to);
    return this.#outcomeOf(opening, moved, await this.#transact(opening, batch, moved));
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    const { scope, log } = this.#options;
    const { followPoll_ms, readLimit_ms } = this.#settings;
    const follower = new Follower(
      this.#cluster,
      this.#tail,
      scope.tasks,
      onPositions,
      (message) => {
        log('warn', message);
      },
      { poll_ms: followPoll_ms, readLimit_ms, ...followRetry },
    );
    this.#followers.add(follower);
    return {
      stop: async () => {
        this.#followers.delete(follower);
        await follower.stop();
      },
    };
  }

  async close(): Promise<void> {
    // Only what is surely ours, and not while a transaction hangs that this call is to end.
    if (this.#opening?.producer.isBegun === false) await this.#groupOffsets.flush(closeLimit_ms);
    this.#letGo();
    const followers = [...this.#followers];
    this.#followers.clear();
    await Promise.all([...followers.map((follower) => follower.stop()), this.#cluster.close()]);
  }

  /** Publishes these positions together with the batch's outputs, if there are any. */
  async #transact(opening: Opening, batch: OutputBatch | undefined, moved: Positions): Promise<TransactionOutcome> {
    const { publishLimit_ms: produceLimit_ms, endLimit_ms, undoLimit_ms } = this.#settings;
    const { scope } = this.#options;
    const outputs = this.#outputs;
    if (batch !== undefined) outputs.survey(batch);
    const destinations = batch === undefined ? [] : outputs.destinations();
    const transaction = new Transaction(
      opening.producer,
      [...destinations, { name: this.#topic, partitions: [scope.lane] }],
      { produceLimit_ms, endLimit_ms, undoLimit_ms },
    );
    let rounds: PartitionBatch[][];
    try {
      if (batch !== undefined) outputs.gather(batch);
      rounds = batch === undefined ? [] : outputs.rounds();
      const positions = this.#positionsBatch(opening.epoch, moved);
      const [first = []] = rounds;
      rounds[0] = [...first, positions];
    } catch (thrown) {
      return await transaction.abandon(toError(thrown));
    }
    this.#rivals.attempted({ epoch: opening.epoch, positions: moved });
    return await transaction.run(rounds, this.#found?.namings ?? []);
  }

  #positionsBatch(epoch: Epoch, positions: Positions): PartitionBatch {
    const { clock } = this.#options;
    const writer = positionsBatch(epoch, positions, clock.wall_ms(), this.#positionsWriter);
    return { topic: this.#topic, partition: this.#options.scope.lane, writer, compression: 'none' };
  }

  #outcomeOf(opening: Opening, moved: Map<TaskId, Position>, done: TransactionOutcome): PublishOutcome {
    const { retry_ms } = this.#settings;
    switch (done.outcome) {
      case 'published':
        opening.stored = { epoch: opening.epoch, positions: moved };
        this.#rivals.published({ epoch: opening.epoch, positions: moved });
        // Otherwise it was given up meanwhile.
        if (this.#opening === opening) this.#groupOffsets.note(moved);
        return done;
      case 'retryable':
        return { ...done, wait_ms: retry_ms };
      case 'fatal':
        return done;
      case 'unknown':
        this.#options.log('warn', 'the outcome of a publishing transaction is unknown: opening again', {
          cause: done.cause.message,
        });
        this.#letGo(opening);
        return { outcome: 'fenced', byEpoch: undefined };
      case 'fenced':
        this.#letGo(opening);
        return { outcome: 'fenced', byEpoch: undefined };
    }
  }

  async #initialise(opening: Opening, initialise: Positions): Promise<OpenOutcome> {
    const opened = { outcome: 'opened', storedEpoch: undefined } as const;
    const moved = new Map(opening.stored?.positions);
    let isMoved = false;
    for (const [task, position] of initialise) {
      if ((moved.get(task) ?? -1) >= position) continue;
      moved.set(task, position);
      isMoved = true;
    }
    if (!isMoved) return opened;
    const done = this.#outcomeOf(opening, moved, await this.#transact(opening, undefined, moved));
    return done.outcome === 'published' ? opened : done;
  }

  #read(opening: Opening): Promise<void> {
    opening.reading ??= this.#tail.catchUp(this.#settings.readLimit_ms).then(
      (record) => {
        opening.stored = { epoch: record?.epoch, positions: new Map(record?.positions) };
        if (!this.#rivals.isToBeTold(record, opening.epoch, this.#cluster.clock.now_ms())) return;
        const { scope, log } = this.#options;
        log('warn', this.#rivalText(), { transactionalId: transactionalIdOf(scope) });
      },
      (thrown: unknown) => {
        opening.reading = undefined;
        throw thrown;
      },
    );
    return opening.reading;
  }

  #rivalText(): string {
    const { pair, app } = this.#options.scope;
    const where = this.#cluster.brokers.join(', ');
    return `somebody else publishes as pair '${pair}', app '${app}' to Kafka at ${where}: another pair of that name with another coordinator. Give one of them another name (pair), or both nodes the same coordinator`;
  }

  #notOpened(thrown: unknown): OpenOutcome {
    this.#letGo();
    const cause = toError(thrown);
    const isUsers = cause instanceof TandemError && cause.blame === 'user';
    if (cause instanceof BrokerError && isNeverOpened(cause.error))
      return { outcome: 'fatal', cause: notAllowed(cause) };
    if (isUsers) return { outcome: 'fatal', cause };
    return { outcome: 'retryable', cause, wait_ms: this.#settings.retry_ms };
  }

  /** What publishing it would do in this process, without sending anything. */
  #goThrough(example: OutputBatch): void {
    const header = { producerId: 0n, producerEpoch: 0, baseSequence: 0, transactional: true };
    try {
      this.#outputs.survey(example);
      this.#outputs.gather(example);
      for (const { writer, compression } of this.#outputs.rounds().flat()) writer.finish({ ...header, compression });
    } catch {
      // Publishing it will say what is wrong with it.
    }
  }

  /** All that this lane writes to. */
  #topics(): string[] {
    return [...new Set([this.#topic, ...(this.#found?.sinks ?? []).map(({ topic }) => topic)])];
  }

  /** Those that lead something which this lane may write to. */
  #leaders(): number[] {
    const leaders = this.#topics().flatMap((topic) => this.#cluster.knownTopic(topic)?.leaders ?? []);
    return [...new Set(leaders)].filter((leader) => leader !== undefined);
  }

  /** Forgets the opening; only another `open` leads back. */
  #letGo(opening = this.#opening): void {
    if (this.#opening !== opening) return;
    this.#opening = undefined;
    this.#groupOffsets.drop();
  }
}

function isNeverOpened(error: string): boolean {
  return (
    error === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED' ||
    error === 'CLUSTER_AUTHORIZATION_FAILED' ||
    error === 'INVALID_TRANSACTION_TIMEOUT'
  );
}

function notAllowed(cause: BrokerError): TandemError {
  const todo =
    cause.error === 'INVALID_TRANSACTION_TIMEOUT'
      ? "Lower kafka.transactionTimeout, or raise the brokers' transaction.max.timeout.ms"
      : "Grant Write and Describe on transactional ids that begin with 'tandem.'";
  return new TandemError('kafka-refused', `Kafka refuses to open a publisher: ${cause.message}. ${todo}`, {
    blame: 'user',
    cause,
  });
}
