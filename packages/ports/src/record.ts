// A cursor over records in one buffer: no object per record on the hot path.

/** Flat name, value, name, value, ... */
export type Headers = readonly string[];

/**
 * Walks records that lie in `bytes`. After `next()` answered true the fields describe one record.
 * A null key or value has its end at -1.
 */
export interface RecordCursor {
  /** Moves to the next record; false at the end. */
  next(): boolean;
  position: number;
  timestamp_ms: number;
  bytes: Buffer;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  /** Headers of the current record, decoded on demand; undefined when it has none. */
  headers(): Headers | undefined;
}
