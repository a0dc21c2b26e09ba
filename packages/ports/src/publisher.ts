// The output side of a lane: all of its sinks on one external system.
import type { AppName, Epoch, Position, Positions, TaskId } from '@tandem/pair';
import type { RecordCursor } from './record.ts';

/** Outputs in publishing order, as a cursor over the queue's bytes. `position` is that of the input. */
export interface OutputCursor extends RecordCursor {
  /** Index into the sinks that the publisher was made with. */
  sink: number;
  /** Partition of the sink. */
  partition: number;
  /** Index into the batch's `moves`. */
  task: number;
}

/** A task's published position moves from `from` to `to` with this batch. */
export interface PositionMove {
  readonly task: TaskId;
  readonly from: Position;
  readonly to: Position;
}

/** Whole inputs only (S5). May hold no outputs at all: then only positions move. */
export interface OutputBatch {
  readonly moves: readonly PositionMove[];
  readonly count: number;
  readonly size_bytes: number;
  /** A cursor at the start of the batch; each call rewinds. Valid until the publish call has resolved. */
  outputs(): OutputCursor;
}

export type OpenOutcome =
  /**
   * `storedEpoch`: what the fence held before. Undefined where it holds none, or where nothing but the order of the
   * openings counts: then nobody can conclude from it that no other has opened since.
   */
  | { readonly outcome: 'opened'; readonly storedEpoch: Epoch | undefined }
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined }
  | { readonly outcome: 'retryable'; readonly cause: Error; readonly wait_ms: number }
  | { readonly outcome: 'fatal'; readonly cause: Error };

export type PublishOutcome =
  /** `part`: a publisher without transactions stopped early; the rest of the batch is still to be published. */
  | { readonly outcome: 'published'; readonly part?: PublishedPart }
  /** Surely not published; may be tried again as it is after `wait_ms`. */
  | { readonly outcome: 'retryable'; readonly cause: Error; readonly wait_ms: number }
  /** Refused by the fence (or outcome unknown and not resolvable here): verify, then open again or step down. */
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined }
  /** Surely not published, and trying again cannot help (for instance a value the table refuses). */
  | { readonly outcome: 'fatal'; readonly cause: Error };

/** Whole inputs (S5), durable up to these positions; a task that is absent has not moved. */
export interface PublishedPart {
  readonly positions: Positions;
  /** How many outputs that were. */
  readonly outputs: number;
}

export interface ReadBack {
  /** Durable published positions of the asked tasks; a task that has none is absent (absent is never zero). */
  readonly positions: Positions;
  /** The epoch that the fence holds now; where it holds none, the one whose opening wrote last. */
  readonly epoch: Epoch | undefined;
}

/** Number of partitions of each sink, by index; asked once before the first output is queued. */
export interface SinkLayout {
  readonly sink: string;
  readonly partitions: number;
}

/** Where a source of the app is read from. */
export interface SourceBinding {
  readonly source: string;
  /** The adapter's name, for instance `kafka`. */
  readonly adapter: string;
  /** Its part of the configuration, checked by the adapter's own schema, plain JSON. */
  readonly binding: unknown;
}

export interface PublisherScope {
  readonly pair: string;
  readonly app: AppName;
  readonly lane: number;
  readonly lanes: number;
  readonly tasks: readonly TaskId[];
  /** For systems that show people how far an app is in its sources. */
  readonly sources?: readonly SourceBinding[];
}

/** One open at a time per lane; none of the calls overlap except `follow`. */
export interface Publisher {
  /** What a person should see to although publishing goes on; undefined where there is nothing. */
  readonly warning?: string | undefined;
  /** Checks that the sinks exist and fit; partitions per sink in the order given. @throws TandemError. */
  layout(): Promise<readonly SinkLayout[]>;
  /**
   * While closed: makes a later `open` and the first publish quick (connections up, statements prepared, code warm).
   * Changes nothing and holds nothing up. May be called again at any time while closed, and may overlap with `follow`
   * and with an `open` that comes meanwhile. `example`: outputs that wait, to go through the motions with; they are
   * valid until the call returns its promise, and nothing of them may leave the process.
   * @throws when it could not; `open` then does it all itself.
   */
  prepare(example?: OutputBatch): Promise<void>;
  /**
   * Fences whoever opened before (same or lower epoch; where the fence holds no epoch, any). `initialise`: published
   * positions to start from, given once per app when its genesis has just been recorded; a position already there that
   * is higher is kept, a lower one is raised.
   */
  open(epoch: Epoch, initialise: Positions | undefined): Promise<OpenOutcome>;
  /** Durable positions, stable after `open`. @throws TandemError when unanswered (the lane opens again). */
  readBack(): Promise<ReadBack>;
  /**
   * All or nothing, with the positions, only while our opening is the newest and the stored positions are `from`. At a
   * sink without transactions the positions alone are so: outputs beyond them may have arrived, and arrive again with
   * the same id after another `open`.
   */
  publish(batch: OutputBatch): Promise<PublishOutcome>;
  /**
   * Only publishers whose sink has no fence have this method (S11). Nothing may be under way at such a sink after this
   * local monotonic time, and nothing is sent before one was told; each call replaces the one before. A promoted node
   * opens them one session time-out late.
   */
  authorityUntil?(until_ms: number): void;
  /** Reports published positions as they become durable, without fencing, until stopped. Retries by itself. */
  follow(onPositions: (positions: Positions) => void): { stop(): Promise<void> };
  close(): Promise<void>;
}
