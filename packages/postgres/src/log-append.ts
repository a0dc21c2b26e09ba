// Appends a batch of records to a log in one statement: the parameters, filled record by record, and the SQL.
import { BinaryArray } from './binary.ts';
import type { LogNames } from './log-name.ts';

/**
 * Locks the heads in the order of their partitions (no deadlock between those who append), moves them, inserts, and
 * notifies once. A head that is missing leaves the offset null, which the table refuses: nothing is ever dropped
 * silently. `guard`: a condition without which nothing is appended. Parameters: see `AppendBatch.parameters`.
 */
export function appendStatement(log: LogNames, guard = 'true'): string {
  return `
WITH wanted AS (SELECT * FROM unnest($1::int4[], $2::int4[]) AS wanted(p, n)),
locked AS (SELECT h.partition AS p FROM ${log.schema}.head h JOIN wanted ON wanted.p = h.partition
  WHERE h.log = ${log.literal} ORDER BY h.partition FOR NO KEY UPDATE OF h),
moved AS (UPDATE ${log.schema}.head h SET next = h.next + wanted.n FROM wanted JOIN locked ON locked.p = wanted.p
  WHERE h.log = ${log.literal} AND h.partition = wanted.p AND ${guard} RETURNING h.partition AS p, h.next - wanted.n AS base),
inserted AS (INSERT INTO ${log.table} (partition, "offset", ts, key, value, headers)
  SELECT r.p, moved.base + r.i, r.ts, r.k, r.v, r.h
  FROM unnest($3::int4[], $4::int4[], $5::timestamptz[], $6::bytea[], $7::bytea[], $8::json[]) AS r(p, i, ts, k, v, h)
  LEFT JOIN moved ON moved.p = r.p)
SELECT moved.p AS partition, moved.base, pg_notify('${log.channel}', '') FROM moved`;
}

type Bytes = string | Uint8Array | null;

/** Records on their way to one log, as parameters of `appendStatement`. */
export class AppendBatch {
  readonly #counts: number[] = [];
  readonly #partitions = new BinaryArray('int4');
  readonly #ordinals = new BinaryArray('int4');
  readonly #times = new BinaryArray('timestamptz');
  readonly #keys = new BinaryArray('bytea');
  readonly #values = new BinaryArray('bytea');
  readonly #headers = new BinaryArray('json', 64);
  readonly #wantedPartitions = new BinaryArray('int4', 64);
  readonly #wantedCounts = new BinaryArray('int4', 64);

  get count(): number {
    return this.#partitions.count;
  }

  /** About what it takes on the wire. */
  get size_bytes(): number {
    return this.#keys.size_bytes + this.#values.size_bytes + this.#headers.size_bytes + this.count * 28;
  }

  add(partition: number, timestamp_ms: number, key: Bytes, value: Bytes, headers: readonly string[] | undefined): void {
    this.#place(partition, timestamp_ms, headers);
    addBytes(this.#keys, key);
    addBytes(this.#values, value);
  }

  /** As add, from ranges of a buffer; a null key or value has its end at -1. */
  addRanges(
    partition: number,
    timestamp_ms: number,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    headers: readonly string[] | undefined,
  ): void {
    this.#place(partition, timestamp_ms, headers);
    if (keyEnd < 0) this.#keys.addNull();
    else this.#keys.addBytes(bytes, keyStart, keyEnd);
    if (valueEnd < 0) this.#values.addNull();
    else this.#values.addBytes(bytes, valueStart, valueEnd);
  }

  #place(partition: number, timestamp_ms: number, headers: readonly string[] | undefined): void {
    this.#times.addTimestamp(timestamp_ms);
    const ordinal = this.#counts[partition] ?? 0;
    this.#counts[partition] = ordinal + 1;
    this.#ordinals.addInt32(ordinal);
    this.#partitions.addInt32(partition);
    if (headers !== undefined) {
      // Most batches have no headers at all: a shorter array is filled up with nulls by unnest().
      while (this.#headers.count < this.#partitions.count - 1) this.#headers.addNull();
      this.#headers.addText(JSON.stringify(headers));
    }
  }

  parameters(): unknown[] {
    this.#wantedPartitions.reset();
    this.#wantedCounts.reset();
    this.#counts.forEach((count, partition) => {
      if (count === 0) return;
      this.#wantedPartitions.addInt32(partition);
      this.#wantedCounts.addInt32(count);
    });
    return [
      this.#wantedPartitions.parameter(),
      this.#wantedCounts.parameter(),
      this.#partitions.parameter(),
      this.#ordinals.parameter(),
      this.#times.parameter(),
      this.#keys.parameter(),
      this.#values.parameter(),
      this.#headers.count === 0 ? null : this.#headers.parameter(),
    ];
  }

  reset(): void {
    this.#counts.fill(0);
    for (const array of [this.#partitions, this.#ordinals, this.#times, this.#keys, this.#values, this.#headers]) {
      array.reset();
    }
  }
}

function addBytes(array: BinaryArray, bytes: Bytes): void {
  if (bytes === null) array.addNull();
  else if (typeof bytes === 'string') array.addText(bytes);
  else array.addBytes(bytes);
}
