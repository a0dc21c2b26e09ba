// Reads a log's table as any outsider could: its own SQL on committed rows, woken by NOTIFY, with a slow poll beside it.
import pg from 'pg';
import type { Arrival } from './logs.ts';

export interface LogRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string;
}

export interface LogReaderOptions {
  readonly url: string;
  readonly log: string;
  readonly partitions: number;
  readonly schema?: string;
  /** Called with each batch right after it was read. */
  readonly onArrival: (arrival: Arrival) => void;
  /** The reader has ended: the database went away, or offsets were not contiguous. */
  readonly onFailure: (error: Error) => void;
}

const pollPause_ms = 50;
const pageSize = 5000;

interface Row {
  readonly partition: number;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** Reads from the beginning and goes on until it is closed. */
export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #client: pg.Client;
  readonly #next: number[];
  #dirty = true;
  #closed = false;
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: LogReaderOptions, client: pg.Client) {
    this.#options = options;
    this.#client = client;
    this.#next = new Array<number>(options.partitions).fill(0);
  }

  /** `from`: the first offset of each partition; default the beginning. */
  static async open(options: LogReaderOptions, from?: readonly number[]): Promise<LogReader> {
    const client = new pg.Client({ connectionString: options.url, application_name: 'tandem harness reader' });
    const reader = new LogReader(options, client);
    from?.forEach((offset, partition) => (reader.#next[partition] = offset));
    client.on('error', (error) => {
      reader.#fail(error);
    });
    client.on('notification', () => {
      reader.#dirty = true;
      reader.#wake();
    });
    await client.connect();
    await client.query(`LISTEN ${pg.escapeIdentifier(`log:${options.log}`)}`);
    reader.#running = reader.#run();
    return reader;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#running;
    await this.#client.end().catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { schema = 'tandem', log, partitions } = this.#options;
    const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(`log_${log}`)}`;
    const page = (partition: number) =>
      `(SELECT partition, "offset", key, value FROM ${table} WHERE partition = ${partition.toString()}` +
      ` AND "offset" >= $${(partition + 1).toString()} ORDER BY "offset" LIMIT ${pageSize.toString()})`;
    const text = Array.from({ length: partitions }, (_, partition) => page(partition)).join(' UNION ALL ');
    const query = { name: `read ${log}`, text };
    while (!this.#closed) {
      if (!this.#dirty) await this.#pause();
      this.#dirty = false;
      try {
        const { rows } = await this.#client.query<Row>({ ...query, values: [...this.#next] });
        const at_ms = performance.now();
        if (rows.length === 0) continue;
        this.#dirty = true;
        const records = rows.map(toRecord).sort((a, b) => a.partition - b.partition || a.offset - b.offset);
        for (const record of records) this.#advance(record);
        this.#options.onArrival({ at_ms, records });
      } catch (thrown) {
        this.#fail(thrown);
      }
    }
  }

  #advance({ partition, offset }: LogRecord): void {
    const expected = this.#next[partition];
    if (offset !== expected) {
      throw new Error(
        `log ${this.#options.log}: offset ${offset.toString()} came where ${String(expected)} was due in partition ${partition.toString()}`,
      );
    }
    this.#next[partition] = offset + 1;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pollPause_ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #fail(thrown: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.#options.onFailure(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** All records of one partition that are committed now, in order, page by page. @throws where an offset is missing. */
export async function* readLog(
  client: pg.Client,
  log: string,
  partition: number,
  from = 0,
  schema = 'tandem',
): AsyncGenerator<readonly LogRecord[]> {
  const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(`log_${log}`)}`;
  for (let next = from; ;) {
    const { rows } = await client.query<Row>({
      name: `page ${log}`,
      text: `SELECT partition, "offset", key, value FROM ${table} WHERE partition = $1 AND "offset" >= $2 ORDER BY "offset" LIMIT ${pageSize.toString()}`,
      values: [partition, next],
    });
    const records = rows.map(toRecord);
    const last = records.at(-1);
    if (last === undefined) return;
    for (const [index, { offset }] of records.entries()) {
      if (offset !== next + index) {
        throw new Error(
          `log ${log}: offset ${offset.toString()} came where ${(next + index).toString()} was due in partition ${partition.toString()}`,
        );
      }
    }
    yield records;
    next = last.offset + 1;
  }
}

function toRecord(row: Row): LogRecord {
  return {
    partition: row.partition,
    offset: Number(row.offset),
    key: row.key === null ? null : row.key.toString('utf8'),
    value: row.value === null ? '' : row.value.toString('utf8'),
  };
}
