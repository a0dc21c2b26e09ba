// Reads partitions of a log from their positions on: one statement for all that have room, woken by NOTIFY, one page
// ahead per partition.
import type { Position } from '@tandem/pair';
import {
  SourcePages,
  emptyPlace,
  toError,
  type Clock,
  type SourceBatch,
  type SourceGap,
  type SourcePlace,
  type SourceReader,
  type Timer,
} from '@tandem/ports';
import type { Connection } from './connection.ts';
import type { LogNames } from './log-name.ts';
import { Fetch, LogPage, type FetchSink } from './log-page.ts';

export interface ReaderSettings {
  readonly pageRecords: number;
  readonly page_bytes: number;
  /** Safety net beside NOTIFY, and how old the known ends may get. */
  readonly poll_ms: number;
  readonly fetchLimit_ms: number;
  readonly retryFirst_ms: number;
  readonly retryMost_ms: number;
}

interface Partition extends SourcePlace<LogPage> {
  /** Where the next page begins. */
  fetchFrom: number;
  /** Rows to ask for: follows the records' size, so that a page stays within its bytes. */
  limit: number;
  /** The page that the fetch under way fills. */
  filling: LogPage | undefined;
  /** A row did not fit any more; those that follow are fetched again. */
  full: boolean;
  stopped: boolean;
}

const firstLimit = 500;
const leastLimit = 8;

export class PostgresReader implements SourceReader, FetchSink {
  onReady: () => void = () => undefined;
  readonly #log: LogNames;
  readonly #connect: () => Promise<Connection>;
  readonly #clock: Clock;
  readonly #settings: ReaderSettings;
  readonly #pages: SourcePages<LogPage, Partition>;
  #connection: Connection | undefined;
  #fetching = false;
  /** Something was appended since the last fetch began. */
  #news = true;
  #trouble: string | undefined = 'not connected yet';
  #retry_ms: number;
  #closed = false;
  #wakeRun: () => void = () => undefined;
  #poll: Timer | undefined;
  readonly #running: Promise<void>;

  constructor(
    log: LogNames,
    positions: ReadonlyMap<number, Position>,
    connect: () => Promise<Connection>,
    clock: Clock,
    settings: ReaderSettings,
  ) {
    this.#log = log;
    this.#connect = connect;
    this.#clock = clock;
    this.#settings = settings;
    this.#retry_ms = settings.retryFirst_ms;
    const places = [...positions].map(([partition, position]) => ({
      ...emptyPlace(partition),
      fetchFrom: position,
      limit: Math.min(firstLimit, settings.pageRecords),
      filling: undefined,
      full: false,
      stopped: false,
    }));
    this.#pages = new SourcePages<LogPage, Partition>(places, {
      onRoom: () => {
        this.#fetchIfUseful();
      },
      onReady: () => {
        this.onReady();
      },
    });
    this.#running = this.#run();
  }

  take(): SourceBatch | SourceGap | undefined {
    return this.#pages.take();
  }

  setPaused(partition: number, paused: boolean): void {
    this.#pages.setPaused(partition, paused);
  }

  end(partition: number): Position | undefined {
    return this.#pages.end(partition);
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pages.close();
    this.#poll?.cancel();
    this.#wakeRun();
    await this.#connection?.close();
    await this.#running;
  }

  onHead(partition: number, first: number, next: number): void {
    const state = this.#pages.place(partition);
    if (state === undefined) return;
    state.end = next;
    // Before the first record kept, or beyond the end: a log that was emptied or made anew. Neither is waited out.
    if (state.fetchFrom < first || state.fetchFrom > next) this.#stopAtGap(state, first);
  }

  onRow(partition: number, offset: number, row: Buffer, from: number): void {
    const state = this.#pages.place(partition);
    const page = state?.filling;
    if (state === undefined || page === undefined || state.full || state.stopped) return;
    if (offset !== state.fetchFrom + page.count) {
      this.#stopAtGap(state, offset);
      return;
    }
    if (page.count > 0 && page.size_bytes + row.length > this.#settings.page_bytes) {
      state.full = true;
      return;
    }
    page.addRow(row, from);
  }

  /** A gap is handed out after the records before it. */
  #stopAtGap(state: Partition, first: number): void {
    if (state.stopped) return;
    state.stopped = true;
    const wanted = state.fetchFrom + (state.filling?.count ?? 0);
    state.gap = {
      kind: 'gap',
      partition: state.partition,
      wanted: wanted as Position,
      first: first as Position,
    };
  }

  /** Connects, again and again (L2), and waits for each connection to end. */
  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        const connection = await this.#connect();
        this.#connection = connection;
        connection.onNotification = () => {
          this.#news = true;
          this.#fetchIfUseful();
        };
        await connection.query(`LISTEN "${this.#log.channel}"`);
        // A close may have come during either wait.
        if (!this.#isClosed()) {
          this.#news = true;
          this.#fetch(connection);
          this.#schedulePoll();
          const cause = await connection.closed;
          this.#trouble ??= `connection to ${connection.target} lost: ${cause.message}`;
        }
      } catch (thrown) {
        this.#trouble = toError(thrown).message;
      }
      this.#connection?.destroy();
      this.#connection = undefined;
      const wait_ms = this.#retry_ms;
      this.#retry_ms = Math.min(wait_ms * 2, this.#settings.retryMost_ms);
      if (!this.#isClosed()) await this.#pause(wait_ms);
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async #pause(wait_ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(wait_ms, resolve);
      this.#wakeRun = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #schedulePoll(): void {
    this.#poll?.cancel();
    if (this.#closed) return;
    this.#poll = this.#clock.after(this.#settings.poll_ms, () => {
      const connection = this.#connection;
      if (connection === undefined) return;
      if (!this.#fetching) this.#fetch(connection);
      this.#schedulePoll();
    });
  }

  #fetchIfUseful(): void {
    const connection = this.#connection;
    if (connection === undefined || this.#fetching) return;
    const useful = this.#pages.places.some(
      (state) => hasRoom(state) && (this.#news || state.end === undefined || state.fetchFrom < state.end),
    );
    if (useful) this.#fetch(connection);
  }

  /** One round trip for the ends of all partitions and a page for each that has room. */
  #fetch(connection: Connection): void {
    if (connection.isClosed) return;
    this.#fetching = true;
    this.#news = false;
    const wanted = this.#pages.places.filter(hasRoom);
    for (const state of wanted) {
      state.filling = this.#pages.spare() ?? new LogPage();
      state.filling.begin(state.partition, state.fetchFrom);
      state.full = false;
    }
    const fetch = new Fetch(this.#statement(wanted), this);
    connection.client.query(fetch);
    connection.limited(fetch.done, this.#settings.fetchLimit_ms).then(
      () => {
        this.#fetching = false;
        this.#trouble = undefined;
        this.#retry_ms = this.#settings.retryFirst_ms;
        for (const state of wanted) this.#finish(state);
        this.#pages.feed();
        this.#fetchIfUseful();
      },
      (thrown: unknown) => {
        this.#fetching = false;
        this.#trouble = `reading log '${this.#log.name}' at ${connection.target}: ${toError(thrown).message}`;
        // A page half filled is thrown away and fetched again.
        for (const state of wanted) {
          if (state.filling !== undefined) this.#pages.giveBack(state.filling);
          state.filling = undefined;
          state.gap = undefined;
          state.stopped = false;
        }
        connection.destroy();
      },
    );
  }

  #finish(state: Partition): void {
    const page = state.filling;
    state.filling = undefined;
    if (page === undefined) return;
    if (page.count === 0) {
      this.#pages.giveBack(page);
      return;
    }
    state.fetchFrom += page.count;
    state.ready = page;
    const { pageRecords, page_bytes } = this.#settings;
    const fitting = Math.floor((page_bytes / page.size_bytes) * page.count);
    state.limit = Math.max(leastLimit, Math.min(pageRecords, state.limit * 2, fitting));
  }

  #statement(wanted: readonly Partition[]): string {
    const { schema, literal, table } = this.#log;
    const heads = `SELECT h.partition, h.next, NULL::timestamptz, int8send(h.first), NULL::bytea, NULL::json
FROM ${schema}.head h WHERE h.log = ${literal}`;
    if (wanted.length === 0) return `COPY (${heads}) TO STDOUT (FORMAT binary)`;
    const pages = wanted.map(
      ({ partition, fetchFrom, limit }) =>
        `(SELECT partition, "offset", ts, key, value, headers FROM ${table}
WHERE partition = ${String(partition)} AND "offset" >= ${String(fetchFrom)} ORDER BY "offset" LIMIT ${String(limit)})`,
    );
    return `COPY (${[heads, ...pages].join(' UNION ALL ')}) TO STDOUT (FORMAT binary)`;
  }
}

function hasRoom(state: Partition): boolean {
  return !state.stopped && !state.paused && state.ready === undefined && state.filling === undefined;
}
