// Logs in PostgreSQL: read by our own SQL on committed rows, written by the writer that any producer would use.
import { openLogWriter } from '@tandem/postgres';
import pg from 'pg';
import { LogReader, readLog, type LogRecord } from './log-reader.ts';
import type { LogAppender, Logs, WatchOptions } from './logs.ts';

export class PostgresLogs implements Logs {
  readonly system = 'postgres';
  readonly sections = {};
  readonly #url: string;
  #client: Promise<pg.Client> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  binding(log: string, partitions: number): Readonly<Record<string, unknown>> {
    return { postgres: { log, create: { partitions } } };
  }

  async create(log: string, partitions: number): Promise<void> {
    await (await this.writer(log, partitions)).close();
  }

  async writer(log: string, partitions: number, options: { readonly fast?: boolean } = {}): Promise<LogAppender> {
    const { fast = false } = options;
    return await openLogWriter({
      url: this.#url,
      log,
      create: { partitions },
      ...(fast && { synchronousCommit: false }),
    });
  }

  async watch({ from, ...options }: WatchOptions): Promise<{ close(): Promise<void> }> {
    return await LogReader.open({ ...options, url: this.#url }, from);
  }

  async *read(log: string, partition: number): AsyncGenerator<readonly LogRecord[]> {
    yield* readLog(await this.#connected(), log, partition);
  }

  async ends(log: string): Promise<readonly number[]> {
    const client = await this.#connected();
    const { rows } = await client.query<{ next: string }>({
      name: 'ends',
      text: 'SELECT next FROM tandem.head WHERE log = $1 ORDER BY partition',
      values: [log],
    });
    return rows.map((row) => Number(row.next));
  }

  async describe(): Promise<string> {
    const { rows } = await (await this.#connected()).query<{ server_version: string }>('SHOW server_version');
    return `PostgreSQL ${rows[0]?.server_version ?? ''}`;
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  /** Made anew when it broke. */
  #connected(): Promise<pg.Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url, application_name: 'tandem harness' });
    const forget = (): void => {
      this.#client = undefined;
    };
    client.on('error', forget);
    await client.connect().catch((thrown: unknown) => {
      forget();
      throw thrown;
    });
    return client;
  }
}
