// All of a lane's sinks on one PostgreSQL: outputs, published positions and the check of the fence in one transaction.
import type { Epoch, Positions } from '@tandem/pair';
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
import type { PostgresSystem } from './configuration.ts';
import { isTransient, openConnection, type Connection } from './connection.ts';
import type { PostgresSinkBinding } from './log-configuration.ts';
import { migrate } from './migrations/index.ts';
import { Follower } from './publisher-follower.ts';
import {
  adoptFence,
  endBackend,
  fenceKey,
  readStored,
  takeFence,
  type FenceKey,
  type Opening,
} from './publisher-session.ts';
import { LogSink, type SinkWriter } from './publisher-sink.ts';
import { publishTransaction, rehearse } from './publisher-transaction.ts';
import { TableSink } from './table-sink.ts';

export interface PublisherSettings {
  /** How long a statement waits for a lock that somebody else holds; the batch is tried again then. */
  readonly lockLimit_ms: number;
  readonly statementLimit_ms: number;
  /** How long a whole publish may take before its connection is given up. */
  readonly publishLimit_ms: number;
  /** How long to find out what became of a transaction whose answer was lost. */
  readonly resolveLimit_ms: number;
  readonly openLimit_ms: number;
  readonly retry_ms: number;
  readonly followPoll_ms: number;
}

export interface PublisherOptions {
  readonly system: PostgresSystem;
  readonly sinks: readonly { readonly sink: string; readonly binding: PostgresSinkBinding }[];
  readonly scope: PublisherScope;
  readonly clock: Clock;
  readonly log: LaneContext['log'];
  /** Tells publishers of one app on one database apart; default `postgres`. */
  readonly publisher?: string;
  readonly node?: string;
  readonly settings?: Partial<PublisherSettings>;
}

interface Ready {
  readonly outcome: 'ready';
  readonly connection: Connection;
  readonly opening: Opening;
}

const defaults: PublisherSettings = {
  lockLimit_ms: 2000,
  statementLimit_ms: 10_000,
  publishLimit_ms: 20_000,
  resolveLimit_ms: 5000,
  openLimit_ms: 3000,
  retry_ms: 100,
  followPoll_ms: 250,
};

/** A connection that has not answered for longer is not used for an opening. */
const standbyTrusted_ms = 15_000;
const standbyAnswer_ms = 2000;

/** Brings the schema up to date. Sinks are checked by `layout`. @throws TandemError. */
export async function createPostgresPublisher(options: PublisherOptions): Promise<PostgresPublisher> {
  const connection = await openConnection({ url: options.system.url, role: 'publisher', node: options.node });
  try {
    await migrate(connection, options.system.schema);
  } finally {
    await connection.close();
  }
  return new PostgresPublisher(options);
}

export class PostgresPublisher implements Publisher {
  readonly #options: PublisherOptions;
  readonly #settings: PublisherSettings;
  readonly #key: FenceKey;
  /** In the order of the sinks, which is that of `OutputCursor.sink`. */
  readonly #writers: readonly SinkWriter[];
  /** In the order in which they are sent. */
  readonly #sendOrder: readonly SinkWriter[];
  readonly #followers = new Set<Follower>();
  #connection: Connection | undefined;
  #opening: Opening | undefined;
  /** Rehearsed, for the next `open`; trusted only for a while after it has answered. */
  #standby: { readonly connection: Connection; readonly answered_ms: number } | undefined;
  #prepared = false;
  #isClosed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#settings = { ...defaults, ...options.settings };
    this.#key = fenceKey(options.system.schema, options.scope, options.publisher ?? 'postgres');
    const tables: TableSink[] = [];
    const logs: LogSink[] = [];
    this.#writers = options.sinks.map(({ sink, binding }, index) => {
      if ('log' in binding) {
        const writer = new LogSink(sink, options.system.schema, binding);
        logs.push(writer);
        return writer;
      }
      const writer = new TableSink(sink, index, binding);
      tables.push(writer);
      return writer;
    });
    logs.sort((a, b) => (a.target < b.target ? -1 : 1));
    this.#sendOrder = [...tables, ...logs];
  }

  async layout(): Promise<readonly SinkLayout[]> {
    const connection = await this.#connect('publisher');
    try {
      const layout: SinkLayout[] = [];
      for (const writer of this.#writers) {
        layout.push({ sink: writer.sink, partitions: await writer.prepare(connection) });
      }
      this.#prepared = true;
      return layout;
    } finally {
      await connection.close();
    }
  }

  async prepare(example?: OutputBatch): Promise<void> {
    if (this.#prepared && example !== undefined) this.#goThrough(example);
    // The opening before is over: nothing is under way on its connection any more. Before anything is waited for: an
    // open may come meanwhile.
    const kept = this.#standby?.connection ?? this.#connection;
    this.#standby = undefined;
    this.#connection = undefined;
    this.#opening = undefined;
    if (!this.#prepared) await this.layout();
    const connection = kept === undefined || kept.isClosed ? await this.#connect('publisher') : kept;
    try {
      if (connection === kept) await connection.query('SELECT', [], standbyAnswer_ms);
      else await rehearse(connection, this.#key, this.#options.scope.tasks, this.#sendOrder);
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
    if (this.#isClosed || this.#needsNone()) connection.destroy();
    else this.#standby = { connection, answered_ms: this.#options.clock.now_ms() };
  }

  async open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome> {
    this.#letGo();
    let connection: Connection | undefined;
    try {
      if (!this.#prepared) await this.layout();
      connection = this.#takeStandby() ?? (await this.#connect('publisher'));
      const { openLimit_ms, retry_ms } = this.#settings;
      const taken = await takeFence(connection, this.#key, epoch, initialise, this.#options.clock, openLimit_ms);
      if (taken.outcome === 'taken') {
        this.#connection = connection;
        this.#opening = taken.opening;
        return { outcome: 'opened', storedEpoch: taken.storedEpoch };
      }
      connection.destroy();
      if (taken.outcome === 'fenced') return taken;
      return { outcome: 'retryable', cause: taken.cause, wait_ms: retry_ms };
    } catch (thrown) {
      connection?.destroy();
      const cause = toError(thrown);
      if (!isTransient(cause)) return { outcome: 'fatal', cause };
      return { outcome: 'retryable', cause, wait_ms: this.#settings.retry_ms };
    }
  }

  async readBack(): Promise<ReadBack> {
    const connection = this.#connection;
    if (connection === undefined)
      throw new TandemError('publisher-closed', 'the publisher is not open: open it first.');
    try {
      return await readStored(connection, this.#key, this.#options.scope.tasks);
    } catch (thrown) {
      if (thrown instanceof TandemError) throw thrown;
      throw new TandemError(
        'database-unreachable',
        `published positions could not be read: ${connection.target} (${toError(thrown).message}).`,
        { cause: thrown },
      );
    }
  }

  async publish(batch: OutputBatch): Promise<PublishOutcome> {
    // Without waiting where nothing is amiss: the server is at work before the lane goes on processing.
    const ready = this.#ready() ?? (await this.#reconnected());
    if (ready.outcome !== 'ready') return ready;
    try {
      try {
        this.#gather(batch);
      } catch (thrown) {
        return { outcome: 'fatal', cause: toError(thrown) };
      }
      const { publishLimit_ms, retry_ms } = this.#settings;
      const writers = this.#sendOrder.filter((writer) => writer.count > 0);
      const done = await publishTransaction(
        ready.connection,
        this.#key,
        ready.opening,
        batch.moves,
        writers,
        publishLimit_ms,
      );
      if (done.outcome === 'unknown') return await this.#resolve(batch, ready.opening, done.cause);
      return done.outcome === 'retryable' ? { ...done, wait_ms: retry_ms } : done;
    } finally {
      for (const writer of this.#writers) writer.reset();
    }
  }

  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> } {
    const { scope, clock, log } = this.#options;
    const { followPoll_ms, retry_ms } = this.#settings;
    const follower = new Follower(
      this.#key,
      scope.tasks,
      () => this.#connect('follower'),
      onPositions,
      (message) => {
        log('warn', message);
      },
      clock,
      { poll_ms: followPoll_ms, retryFirst_ms: retry_ms, retryMost_ms: 2000 },
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
    this.#isClosed = true;
    await this.#standby?.connection.close();
    this.#standby = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    this.#opening = undefined;
    await connection?.close();
    await Promise.all([...this.#followers].map((follower) => follower.stop()));
    this.#followers.clear();
  }

  #gather(batch: OutputBatch): void {
    if (batch.count > 0 && !batch.moves.some((move) => move.to > move.from)) {
      throw new TandemError('internal', 'a batch with outputs must move a position (S5)');
    }
    const outputs = batch.outputs();
    let count = 0;
    while (outputs.next()) {
      const writer = this.#writers[outputs.sink];
      if (writer === undefined) throw new TandemError('internal', `no sink ${String(outputs.sink)}`);
      writer.add(outputs);
      count++;
    }
    if (count !== batch.count) {
      throw new TandemError('internal', `a batch of ${String(batch.count)} outputs held ${String(count)}`);
    }
  }

  #ready(): Ready | undefined {
    const connection = this.#connection;
    const opening = this.#opening;
    if (connection === undefined || connection.isClosed || opening === undefined) return undefined;
    return { outcome: 'ready', connection, opening };
  }

  /** Nothing has been sent yet: a connection lost since the last publish is replaced, the opening stays. */
  async #reconnected(): Promise<Ready | Extract<PublishOutcome, { outcome: 'fenced' | 'retryable' }>> {
    const opening = this.#opening;
    if (opening === undefined) return { outcome: 'fenced', byEpoch: undefined };
    let connection: Connection | undefined;
    try {
      connection = await this.#connect('publisher');
      return await this.#adopt(connection, opening);
    } catch (thrown) {
      connection?.destroy();
      return { outcome: 'retryable', cause: toError(thrown), wait_ms: this.#settings.retry_ms };
    }
  }

  async #adopt(
    connection: Connection,
    opening: Opening,
  ): Promise<Ready | Extract<PublishOutcome, { outcome: 'fenced' }>> {
    const { clock } = this.#options;
    const gone = await endBackend(connection, opening.backend, clock, this.#settings.resolveLimit_ms);
    const adopted = gone ? await adoptFence(connection, this.#key, opening) : undefined;
    if (adopted?.outcome !== 'adopted') {
      connection.destroy();
      this.#letGo();
      return { outcome: 'fenced', byEpoch: adopted?.byEpoch };
    }
    this.#connection = connection;
    this.#opening = adopted.opening;
    return { outcome: 'ready', connection, opening: adopted.opening };
  }

  /**
   * The answer to a transaction was lost. Its session is ended first, so that it cannot commit any more; then the
   * stored positions tell.
   */
  async #resolve(batch: OutputBatch, opening: Opening, cause: Error): Promise<PublishOutcome> {
    const { clock, log } = this.#options;
    const { resolveLimit_ms, retry_ms } = this.#settings;
    log('warn', 'the outcome of a publishing transaction is unknown, asking again', { cause: cause.message });
    this.#connection?.destroy();
    this.#connection = undefined;
    const deadline_ms = clock.now_ms() + resolveLimit_ms;
    for (;;) {
      let connection: Connection | undefined;
      try {
        connection = await this.#connect('publisher');
        const ready = await this.#adopt(connection, opening);
        if (ready.outcome === 'fenced') return ready;
        const stored = (
          await readStored(
            connection,
            this.#key,
            batch.moves.map((move) => move.task),
          )
        ).positions;
        if (batch.moves.every((move) => stored.get(move.task) === move.to)) return { outcome: 'published' };
        if (batch.moves.every((move) => stored.get(move.task) === move.from)) {
          return { outcome: 'retryable', cause, wait_ms: retry_ms };
        }
        this.#letGo();
        return { outcome: 'fenced', byEpoch: undefined };
      } catch (thrown) {
        connection?.destroy();
        this.#connection = undefined;
        if (clock.now_ms() >= deadline_ms) {
          this.#letGo();
          log('warn', 'the outcome of a publishing transaction stays unknown', { cause: toError(thrown).message });
          return { outcome: 'fenced', byEpoch: undefined };
        }
        await new Promise<void>((resolve) => {
          clock.after(retry_ms, resolve);
        });
      }
    }
  }

  /** What publishing it would do in this process, without sending anything. */
  #goThrough(example: OutputBatch): void {
    try {
      this.#gather(example);
      for (const writer of this.#writers) if (writer.count > 0) writer.statement('0');
    } catch {
      // Publishing it will say what is wrong with it.
    } finally {
      for (const writer of this.#writers) writer.reset();
    }
  }

  /** Read afresh: another call may have opened, or made a standby, meanwhile. */
  #needsNone(): boolean {
    return this.#standby !== undefined || this.#opening !== undefined;
  }

  #takeStandby(): Connection | undefined {
    const standby = this.#standby;
    this.#standby = undefined;
    if (standby === undefined) return undefined;
    const isFresh = this.#options.clock.now_ms() - standby.answered_ms < standbyTrusted_ms;
    if (isFresh && !standby.connection.isClosed) return standby.connection;
    standby.connection.destroy();
    return undefined;
  }

  /** Forgets the opening; only another `open` leads back. */
  #letGo(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#opening = undefined;
  }

  async #connect(role: string): Promise<Connection> {
    const { lockLimit_ms, statementLimit_ms } = this.#settings;
    const isPublisher = role === 'publisher';
    return await openConnection({
      url: this.#options.system.url,
      role,
      node: this.#options.node,
      pipeline: isPublisher,
      settings: {
        statement_timeout: String(statementLimit_ms),
        ...(isPublisher && {
          lock_timeout: String(lockLimit_ms),
          idle_in_transaction_session_timeout: String(statementLimit_ms),
          jit: 'off',
        }),
      },
    });
  }
}
