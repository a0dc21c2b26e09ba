// What goes wrong with an app: when it is built (TopologyError) and while it processes a record (InputError).

export type TopologyErrorCode =
  | 'bad-name'
  | 'bad-version'
  | 'bad-duration'
  | 'unknown-source'
  | 'unknown-sink'
  | 'unused-source'
  | 'unused-sink'
  | 'duplicate-store'
  | 'several-sources'
  | 'wall-clock-timer'
  | 'repartition-needed'
  | 'key-needed'
  | 'dead-letter-sink'
  | 'async-schema'
  | 'async-build'
  | 'build-over';

/** A mistake in how an app is put together. One line: what, where, what to do. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError';
  readonly code: TopologyErrorCode;
  readonly blame = 'user';
  constructor(code: TopologyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type InputErrorCode = 'invalid-record' | 'app-threw';

export interface InputErrorDetails {
  readonly code: InputErrorCode;
  readonly source: string;
  readonly partition: number;
  readonly position: number;
}

/**
 * A record that its app refuses to go past (`halt`). Everything the record had done to state and outputs has been
 * taken back: the task is as before it.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly code: InputErrorCode;
  readonly source: string;
  readonly partition: number;
  readonly position: number;
  constructor(details: InputErrorDetails, message: string, cause: unknown) {
    super(message, { cause });
    this.code = details.code;
    this.source = details.source;
    this.partition = details.partition;
    this.position = details.position;
  }
}

/** Thrown while a record is decoded: the record is at fault, not the app. */
export class InvalidRecord extends Error {
  override readonly name = 'InvalidRecord';
}

const longestReason = 1000;

/** Why something was refused, on one line and of bounded length. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= longestReason ? line : `${line.slice(0, longestReason)}...`;
}
