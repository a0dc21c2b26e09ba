// The first frame of a snapshot: what it is of, so that a reader can refuse it before touching any state.

export const formatVersion = 1;

export interface SnapshotHeader {
  /** Version of the format; readers accept the current one and the one before. */
  readonly format: number;
  readonly pair: string;
  readonly app: string;
  readonly appVersion: number;
  readonly topologyHash: string;
  /** Epoch in which it was taken; null before the first claim. */
  readonly epoch: number | null;
  readonly takenAt_ms: number;
}
