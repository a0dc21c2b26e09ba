// What can be wrong with a snapshot, as one error with a stable code.

export type SnapshotErrorCode =
  /** The bytes end before the snapshot does. */
  | 'snapshot-truncated'
  /** A checksum, a count or the order of its parts is wrong. */
  | 'snapshot-corrupt'
  /** Written by a newer format than this program reads. */
  | 'snapshot-newer-format';

export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: SnapshotErrorCode;
  constructor(code: SnapshotErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
