// What all kinds of sinks in PostgreSQL have in common, and the kind that appends to a log.
import type { OutputCursor } from '@tandem/ports';
import type { Connection } from './connection.ts';
import { requireLog } from './log-admin.ts';
import { AppendBatch, appendStatement } from './log-append.ts';
import type { PostgresLogSinkBinding } from './log-configuration.ts';
import { logNames, type LogNames } from './log-name.ts';

/**
 * Set by `begin_publish` in its transaction: every write carries it as a condition, so that nothing is written when the
 * statement that should have begun the transaction, or checked the fence, failed.
 */
export const openingGuard = (opening: string): string => `current_setting('tandem.opening', true) = ${opening}`;

/** Gathers a batch's outputs for one sink and turns them into one statement. */
export interface SinkWriter {
  readonly sink: string;
  /** `log 'totals'` or `table public.totals`, for messages. */
  readonly target: string;
  /** Of the batch that is being gathered. */
  readonly count: number;
  /** Checks that it exists and fits; the number of partitions. @throws TandemError. */
  prepare(connection: Connection): Promise<number>;
  /** @throws RangeError or TandemError for an output that cannot be written. */
  add(output: OutputCursor): void;
  /** The statement for what was gathered; `opening` as text. Valid until `reset`. */
  statement(opening: string): { readonly name: string; readonly text: string; readonly values: unknown[] };
  reset(): void;
}

export class LogSink implements SinkWriter {
  readonly sink: string;
  readonly target: string;
  readonly #binding: PostgresLogSinkBinding;
  readonly #log: LogNames;
  readonly #batch = new AppendBatch();
  readonly #text: string;

  constructor(sink: string, schema: string, binding: PostgresLogSinkBinding) {
    this.sink = sink;
    this.#binding = binding;
    this.#log = logNames(schema, binding.log);
    this.target = `log '${binding.log}'`;
    this.#text = appendStatement(this.#log, openingGuard('$9'));
  }

  get count(): number {
    return this.#batch.count;
  }

  async prepare(connection: Connection): Promise<number> {
    return await requireLog(connection, this.#log, this.#binding.create, `sink '${this.sink}'`);
  }

  add(output: OutputCursor): void {
    this.#batch.addRanges(
      output.partition,
      output.timestamp_ms,
      output.bytes,
      output.keyStart,
      output.keyEnd,
      output.valueStart,
      output.valueEnd,
      output.headers(),
    );
  }

  statement(opening: string): { readonly name: string; readonly text: string; readonly values: unknown[] } {
    return { name: `log ${this.#log.name}`, text: this.#text, values: [...this.#batch.parameters(), opening] };
  }

  reset(): void {
    this.#batch.reset();
  }
}
