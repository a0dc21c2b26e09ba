// A log in PostgreSQL as a source: one connection reads and listens for as long as a reader is open; questions asked
// now and then (bounds, times, retention) get a connection of their own.
import { asPosition, type Position } from '@tandem/pair';
import type { Clock, SourceLog, SourceReader, StartFrom } from '@tandem/ports';
import type { PostgresSystem } from './configuration.ts';
import { openConnection, type Connection } from './connection.ts';
import { requireLog } from './log-admin.ts';
import type { PostgresSourceBinding } from './log-configuration.ts';
import { logNames, type LogNames } from './log-name.ts';
import { migrate } from './migrations/index.ts';
import { PostgresReader, type ReaderSettings } from './source-log-reader.ts';

export interface SourceOptions {
  /** The system's checked configuration. */
  readonly system: PostgresSystem;
  readonly binding: PostgresSourceBinding;
  readonly clock: Clock;
  /** Shows in pg_stat_activity. */
  readonly node?: string;
  readonly settings?: Partial<ReaderSettings>;
}

const readAhead_bytes = 32 << 20;

const defaults: ReaderSettings = {
  pageRecords: 5000,
  page_bytes: 2 << 20,
  poll_ms: 150,
  fetchLimit_ms: 15_000,
  retryFirst_ms: 50,
  retryMost_ms: 2000,
};

/** Reads must follow the primary key whatever the planner's statistics say: they hardly exist for a young log. */
const readSession = {
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_sort: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  default_transaction_read_only: 'on',
};

const sweepMost = 10_000;
const sweepRounds = 50;
const scanLimit_ms = 120_000;

/** Brings the schema up to date and makes the log where the binding says so. @throws TandemError. */
export async function createPostgresSource(options: SourceOptions): Promise<PostgresSource> {
  const { system, binding } = options;
  const log = logNames(system.schema, binding.log);
  const connection = await openConnection({ url: system.url, role: 'source', node: options.node });
  try {
    await migrate(connection, system.schema);
    const partitions = await requireLog(connection, log, binding.create, 'source');
    return new PostgresSource(log, partitions, options);
  } finally {
    await connection.close();
  }
}

export class PostgresSource implements SourceLog {
  readonly #log: LogNames;
  readonly #partitions: number;
  readonly #options: SourceOptions;
  readonly #readers = new Set<SourceReader>();

  constructor(log: LogNames, partitions: number, options: SourceOptions) {
    this.#log = log;
    this.#partitions = partitions;
    this.#options = options;
  }

  partitions(): Promise<number> {
    return Promise.resolve(this.#partitions);
  }

  async bounds(partition: number): Promise<{ readonly first: Position; readonly end: Position }> {
    return await this.#withConnection((connection) => this.#bounds(connection, partition));
  }

  async resolve(partition: number, startFrom: StartFrom): Promise<Position> {
    return await this.#withConnection(async (connection) => {
      const { first, end } = await this.#bounds(connection, partition);
      if (startFrom === 'earliest') return first;
      if (startFrom === 'latest') return end;
      const found = await connection.query<{ offset: string }>(
        `SELECT "offset" FROM ${this.#log.table} WHERE partition = $1 AND ts >= to_timestamp($2::float8 / 1000)
         ORDER BY "offset" LIMIT 1`,
        [partition, startFrom.time_ms],
        scanLimit_ms,
      );
      const row = found.rows[0];
      return row === undefined ? end : asPosition(Number(row.offset));
    });
  }

  read(positions: ReadonlyMap<number, Position>): SourceReader {
    const page_bytes = Math.max(64 << 10, Math.min(defaults.page_bytes, Math.floor(readAhead_bytes / positions.size)));
    const reader = new PostgresReader(
      this.#log,
      positions,
      () => this.#open('reader', readSession),
      this.#options.clock,
      { ...defaults, page_bytes, ...this.#options.settings },
    );
    this.#readers.add(reader);
    return reader;
  }

  async releaseBefore(partition: number, reader: string, floor: Position): Promise<void> {
    const { schema, name } = this.#log;
    await this.#withConnection(async (connection) => {
      await connection.query(
        `INSERT INTO ${schema}.reader (log, partition, reader, floor) VALUES ($1, $2, $3, $4)
         ON CONFLICT (log, partition, reader) DO UPDATE SET floor = excluded.floor, updated_at = clock_timestamp()`,
        [name, partition, reader, floor],
      );
      for (let round = 0; round < sweepRounds; round++) {
        const swept = await connection.query<{ count: string }>(`SELECT ${schema}.sweep_log($1, $2, $3) AS count`, [
          name,
          partition,
          sweepMost,
        ]);
        if (Number(swept.rows[0]?.count ?? 0) === 0) return;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => reader.close()));
    this.#readers.clear();
  }

  async #bounds(connection: Connection, partition: number): Promise<{ first: Position; end: Position }> {
    const { schema, name, table } = this.#log;
    // The head may say less than the table where somebody deleted records by hand.
    const found = await connection.query<{ first: string; next: string }>(
      `SELECT coalesce((SELECT l."offset" FROM ${table} l WHERE l.partition = $2 ORDER BY l."offset" LIMIT 1), h.next) AS first,
              h.next FROM ${schema}.head h WHERE h.log = $1 AND h.partition = $2`,
      [name, partition],
    );
    const row = found.rows[0];
    if (row === undefined) {
      throw new RangeError(
        `log '${name}' has partitions 0 to ${String(this.#partitions - 1)}, not ${String(partition)}`,
      );
    }
    return { first: asPosition(Number(row.first)), end: asPosition(Number(row.next)) };
  }

  async #withConnection<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#open('source', { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' });
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  }

  #open(role: string, settings: Readonly<Record<string, string>>): Promise<Connection> {
    return openConnection({ url: this.#options.system.url, role, node: this.#options.node, settings });
  }
}
