// For programs that feed a log: gathers records and appends them in large batches, one round trip each.
import { partitionOf, TandemError } from '@tandem/ports';
import { openConnection, type Connection } from './connection.ts';
import { requireLog } from './log-admin.ts';
import { AppendBatch, appendStatement } from './log-append.ts';
import { logNames, type LogNames } from './log-name.ts';
import { migrate } from './migrations/index.ts';
import { defaultSchema } from './schema.ts';

export interface LogWriterOptions {
  readonly url: string;
  readonly log: string;
  readonly schema?: string;
  /** Makes the log when it is missing. */
  readonly create?: { readonly partitions: number };
  /** Of the session: false answers before the server's disk has it (the end of what was appended may be lost with the server). */
  readonly synchronousCommit?: boolean;
}

export interface RecordOptions {
  /** Default: now. */
  readonly timestamp_ms?: number;
  /** Default: from the key as in Kafka; records without a key go round. */
  readonly partition?: number;
  /** Flat name, value, ... */
  readonly headers?: readonly string[];
}

export interface Appended {
  readonly count: number;
  /** Offset of the batch's first record in each partition it went to. */
  readonly firstOffsets: ReadonlyMap<number, number>;
}

/** Appends to one log over one connection. Not reconnecting: after an error make another. */
export class LogWriter {
  readonly partitions: number;
  readonly #connection: Connection;
  readonly #log: LogNames;
  readonly #statement: { readonly name: string; readonly text: string };
  #filling = new AppendBatch();
  #spare: AppendBatch | undefined = new AppendBatch();
  #scratch = Buffer.allocUnsafe(1024);
  #round = 0;

  constructor(connection: Connection, log: LogNames, partitions: number) {
    this.#connection = connection;
    this.#log = log;
    this.partitions = partitions;
    this.#statement = { name: `append ${log.name}`, text: appendStatement(log) };
  }

  /** Records added and not yet flushed. */
  get pending(): number {
    return this.#filling.count;
  }

  /** Takes one record along with the next flush. Nothing is sent. */
  add(key: string | Uint8Array | null, value: string | Uint8Array | null, options: RecordOptions = {}): void {
    const partition = options.partition ?? this.#partitionOf(key);
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitions) {
      throw new RangeError(
        `log '${this.#log.name}' has partitions 0 to ${String(this.partitions - 1)}, not ${String(partition)}`,
      );
    }
    this.#filling.add(partition, options.timestamp_ms ?? Date.now(), key, value, options.headers);
  }

  /**
   * Appends what was added, all or nothing, in the order it was added. One flush at a time; records may be added
   * meanwhile. @throws DatabaseError, TandemError; after a lost connection it is not known whether they were appended.
   */
  async flush(): Promise<Appended> {
    const batch = this.#filling;
    if (batch.count === 0) return { count: 0, firstOffsets: new Map() };
    if (this.#spare === undefined) throw new Error('a flush is under way: wait for it');
    this.#filling = this.#spare;
    this.#spare = undefined;
    try {
      const query = { ...this.#statement, values: batch.parameters() };
      const answer = await this.#connection.limited(
        this.#connection.client.query<{ partition: number; base: string }>(query),
      );
      const firstOffsets = new Map(answer.rows.map((row) => [row.partition, Number(row.base)]));
      if (firstOffsets.size === 0) {
        throw new TandemError('log-missing', `log '${this.#log.name}' is gone: ${this.#connection.target}.`);
      }
      return { count: batch.count, firstOffsets };
    } finally {
      batch.reset();
      this.#spare = batch;
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #partitionOf(key: string | Uint8Array | null): number {
    if (key === null) return this.#round++ % this.partitions;
    if (typeof key !== 'string') return partitionOf(key, 0, key.length, this.partitions);
    if (key.length * 3 > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(key.length * 3);
    return partitionOf(this.#scratch, 0, this.#scratch.write(key, 'utf8'), this.partitions);
  }
}

/** @throws TandemError `log-missing` and those of a connection. */
export async function openLogWriter(options: LogWriterOptions): Promise<LogWriter> {
  const schema = options.schema ?? defaultSchema;
  const log = logNames(schema, options.log);
  const connection = await openConnection({
    url: options.url,
    role: 'log writer',
    ...(options.synchronousCommit === false && { settings: { synchronous_commit: 'off' } }),
  });
  try {
    if (options.create !== undefined) await migrate(connection, schema);
    const partitions = await requireLog(connection, log, options.create, 'log writer');
    return new LogWriter(connection, log, partitions);
  } catch (thrown) {
    await connection.close();
    throw thrown;
  }
}
