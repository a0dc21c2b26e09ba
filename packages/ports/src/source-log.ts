// The input side of a lane: one named source, read in order from a position.
import type { Position } from '@tandem/pair';
import type { RecordCursor } from './record.ts';

export type StartFrom = 'earliest' | 'latest' | { readonly time_ms: number };

/** Records of one partition, in order. Walk it with `next()`; it is only valid until the next `take()`. */
export interface SourceBatch extends RecordCursor {
  readonly kind: 'batch';
  readonly partition: number;
  /** Position after the whole batch. */
  readonly nextPosition: Position;
}

/** The log no longer holds the position that is needed (S9). The reader of this partition has stopped. */
export interface SourceGap {
  readonly kind: 'gap';
  readonly partition: number;
  readonly wanted: Position;
  readonly first: Position;
}

export interface SourceReader {
  /**
   * What has arrived for one of the partitions, in turn; undefined when nothing has. Never waits. A batch is
   * taken whole: it is not handed out twice. The reader fetches ahead, bounded, one page per partition.
   */
  take(): SourceBatch | SourceGap | undefined;
  /** Set by the lane: called when something arrived after `take()` had nothing. */
  onReady: () => void;
  /** Pauses or resumes handing out (and fetching ahead for) one partition. */
  setPaused(partition: number, paused: boolean): void;
  /** End of the partition as last seen: offset of the next record to be appended; undefined until first known. */
  end(partition: number): Position | undefined;
  /** What keeps it from reading at the moment, for status; it retries by itself (L2). */
  trouble(): string | undefined;
  close(): Promise<void>;
}

export interface SourceLog {
  /** Number of partitions, fixed while it is open. @throws TandemError when it does not exist or cannot be reached. */
  partitions(): Promise<number>;
  /** Offset of the first record that is still there, and of the next to be appended. */
  bounds(partition: number): Promise<{ readonly first: Position; readonly end: Position }>;
  /** A time resolves to the first record whose timestamp is not before it, or the end. */
  resolve(partition: number, startFrom: StartFrom): Promise<Position>;
  /** Starts reading these partitions from these positions. */
  read(positions: ReadonlyMap<number, Position>): SourceReader;
  /**
   * Says that no revision kept by `reader` (pair and app) needs records before `floor`: retention may then drop
   * them, subject to the log's own settings. Adapters whose logs keep their own retention do nothing.
   */
  releaseBefore(partition: number, reader: string, floor: Position): Promise<void>;
  close(): Promise<void>;
}
