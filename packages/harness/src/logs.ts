// Where a pair's inputs come from and its outputs go, as an outsider deals with it: written by producers, read by
// consumers that have nothing to do with the runtime. One implementation for each system that a pair runs on.
import type { LogRecord } from './log-reader.ts';

/** One read's records, in the order of their offsets within each partition. */
export interface Arrival {
  readonly at_ms: number;
  readonly records: readonly LogRecord[];
}

export interface WatchOptions {
  readonly log: string;
  readonly partitions: number;
  /** The first offset of each partition; default the beginning. */
  readonly from?: readonly number[];
  /** Called with each batch of committed records right after it was read. */
  readonly onArrival: (arrival: Arrival) => void;
  /** The watch has ended: the system went away, or records came in an impossible order. */
  readonly onFailure: (error: Error) => void;
}

/** Gathers records and appends them together. One flush at a time. */
export interface LogAppender {
  readonly pending: number;
  add(key: string | null, value: string, options?: { readonly timestamp_ms?: number }): void;
  /** @throws when it is not known whether they were appended. */
  flush(): Promise<unknown>;
  close(): Promise<void>;
}

export interface Logs {
  readonly system: 'postgres' | 'kafka';
  /** What the bindings need beside them in a pair's configuration. */
  readonly sections: Readonly<Record<string, unknown>>;
  /** Of a source or sink in a pair's configuration; the log is made where it is missing. */
  binding(log: string, partitions: number): Readonly<Record<string, unknown>>;
  create(log: string, partitions: number): Promise<void>;
  /** `fast`: appends need not survive a crash of the system. */
  writer(log: string, partitions: number, options?: { readonly fast?: boolean }): Promise<LogAppender>;
  watch(options: WatchOptions): Promise<{ close(): Promise<void> }>;
  /** All that is committed now, in order, page by page. */
  read(log: string, partition: number): AsyncGenerator<readonly LogRecord[]>;
  /** Offset behind the last committed record of each partition. It may count what is no record, such as markers. */
  ends(log: string, partitions: number): Promise<readonly number[]>;
  /** Name and version of the system, for people. */
  describe(): Promise<string>;
  close(): Promise<void>;
}
