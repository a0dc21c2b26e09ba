// Where revisions of snapshots are kept.
import type { AppName, Epoch, TaskId } from '@tandem/pair';

export interface RevisionInfo {
  /** Grows with every revision of the app; newest is highest. */
  readonly revision: number;
  readonly app: AppName;
  readonly appVersion: number;
  readonly topologyHash: string;
  readonly epoch: Epoch;
  /** Position of every task at its cut, decimal text. */
  readonly positions: Readonly<Record<TaskId, string>>;
  /** Stored (compressed) size. */
  readonly size_bytes: number;
  readonly createdAt_ms: number;
}

/** What the writer of a revision says of it before the first byte. */
export type RevisionHead = Pick<RevisionInfo, 'app' | 'appVersion' | 'topologyHash' | 'epoch'>;

export type WriteOutcome =
  | { readonly outcome: 'stored'; readonly revision: number; readonly size_bytes: number }
  /** A newer epoch has been claimed: nothing was kept. */
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined };

export interface SnapshotStore {
  /**
   * Stores the stream as the app's next revision; `positions` is asked for when the stream has ended (tasks are
   * cut at different moments). Conditional on the epoch: refused once a newer one has been seen by this store.
   * A revision that is not complete is never listed. A stream that throws leaves nothing behind.
   * @throws TandemError when the store fails (the caller retries).
   */
  write(
    head: RevisionHead,
    content: AsyncIterable<Uint8Array>,
    positions: () => Readonly<Record<TaskId, string>>,
  ): Promise<WriteOutcome>;
  /** Complete revisions, newest first. */
  list(app: AppName): Promise<readonly RevisionInfo[]>;
  /** The bytes of a revision, in chunks of at most 4 MiB. @throws TandemError `revision-missing`. */
  read(app: AppName, revision: number): AsyncIterable<Uint8Array>;
  /** Keeps the newest `keep` revisions, deletes the rest and gives their space back. */
  prune(app: AppName, keep: number): Promise<readonly number[]>;
  /** The highest epoch that has written of the app: older ones are refused. Undefined: none has. */
  highestEpoch(app: AppName): Promise<Epoch | undefined>;
  /** Deletes every revision of the app (`tandem reset`); older epochs are refused all the same. */
  deleteAll(app: AppName): Promise<number>;
  close(): Promise<void>;
}
