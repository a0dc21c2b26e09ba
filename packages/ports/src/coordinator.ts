// Who is active: a compare-and-set epoch, ephemeral members and one small record per app.
import type { AppName, Epoch, Member, PublisherName, TaskId, View } from '@tandem/pair';

export type ClaimOutcome =
  | { readonly outcome: 'won'; readonly epoch: Epoch }
  | { readonly outcome: 'lost'; readonly view: View }
  /** The answer was lost and could not be read back: the claim may have taken place. */
  | { readonly outcome: 'unknown'; readonly cause: Error };

export type VerifyOutcome = 'current' | 'superseded' | 'unanswered';

/**
 * What a pair agreed on once for an app. Written by compare-and-set on `version`.
 * `positions` is the genesis of every task as decimal text; absent is never zero.
 */
export interface AppRecord {
  readonly lanes: number;
  readonly appVersion: number;
  readonly topologyHash: string;
  readonly genesis: Readonly<Record<TaskId, string>>;
  /** Publishers whose published positions have been initialised to genesis. */
  readonly initialised: readonly PublisherName[];
}

export interface VersionedAppRecord {
  readonly version: number;
  readonly record: AppRecord;
}

export interface CoordinatorListener {
  /** The view, right after joining and whenever it changed. */
  onView(view: View): void;
  /**
   * Lost: no renewal was confirmed until the self-fence deadline, two thirds of the session time-out after the last
   * one was sent. Back: one is again, and `onView` has just been given what is true now.
   */
  onConnection(state: 'lost' | 'back', cause: string): void;
}

/**
 * All calls have a deadline of their own: none stays pending for longer than one session time-out, but for `join`,
 * which may also connect for the first time and wait for the lease of a silent predecessor.
 */
export interface Coordinator {
  /** The session time-out in force (negotiated), in ms; known after join. */
  readonly sessionTimeout_ms: number;
  /**
   * Enters as a member and keeps the session alive until `leave`, whatever trouble there is. Views reach the listener
   * from then on.
   * @throws TandemError when the coordinator cannot be reached or another live process has the same node id.
   */
  join(self: Member, listener: CoordinatorListener): Promise<void>;
  /** Reads the view afresh and hands it to the listener too. @throws when unanswered. */
  readView(): Promise<View>;
  /** One atomic step: if the epoch is `expected`, raise it by one and become the active entry (S1). */
  claim(expected: Epoch | undefined): Promise<ClaimOutcome>;
  /** A linearizable read: is this the current epoch, and do we hold it? */
  verify(epoch: Epoch): Promise<VerifyOutcome>;
  /** Gives up the active entry if we hold it in this epoch. The epoch stays. */
  resign(epoch: Epoch): Promise<void>;
  /** Local monotonic time (ms) until which the session is surely held, counted from the send time of its last renewal. */
  authorityUntil_ms(): number;
  readAppRecord(app: AppName): Promise<VersionedAppRecord | undefined>;
  /** `expectedVersion` undefined: must not exist yet. False when somebody else was first. */
  writeAppRecord(app: AppName, record: AppRecord, expectedVersion: number | undefined): Promise<boolean>;
  /** For `tandem reset`: forgets the app's record. */
  deleteAppRecord(app: AppName): Promise<void>;
  /** Ends the session at once (members see it), gives up the active entry if it is ours. Never throws. */
  leave(): Promise<void>;
}

/** For tools that only look: the view without joining. */
export interface CoordinatorReader {
  readView(): Promise<View>;
}
