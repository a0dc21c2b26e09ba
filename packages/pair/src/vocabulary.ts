// The words of the protocol as types: numbers that must not be mixed carry a brand, names are plain text.

declare const position: unique symbol;
declare const epoch: unique symbol;

/** Offset of the next input that a task has not yet applied: a safe integer >= 0. */
export type Position = number & { readonly [position]: true };

/** Integer >= 1 that only grows; each promotion claims the next one. */
export type Epoch = number & { readonly [epoch]: true };

/** The name of a node inside its pair, stable over restarts. */
export type NodeId = string;

/** One run of a node's process; a restart is a new one. Unique over all time. */
export type Incarnation = string;

export type AppName = string;

/** `<source>/<partition>`: an app's unit of order, with exactly one position. */
export type TaskId = string;

/** The external system that a lane's sinks are written to in one transaction, for instance `postgres`. */
export type PublisherName = string;

export type Positions = ReadonlyMap<TaskId, Position>;

/** @throws RangeError for anything that is not a safe integer >= 0. */
export function asPosition(value: number): Position {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a position: ${String(value)}`);
  return value as Position;
}

/** @throws RangeError for anything that is not a safe integer >= 1. */
export function asEpoch(value: number): Epoch {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`not an epoch: ${String(value)}`);
  return value as Epoch;
}

/** Positions travel as decimal text. @throws RangeError for text that is not a position. */
export function positionFromText(text: string): Position {
  if (!/^\d{1,16}$/.test(text)) throw new RangeError(`not a position: '${text}'`);
  return asPosition(Number(text));
}

export function taskId(source: string, partition: number): TaskId {
  return `${source}/${String(partition)}`;
}

/** One process as the coordinator knows it. */
export interface Member {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
  /** Where its admin HTTP and link are reached, for instance `http://10.0.0.7:7070`. */
  readonly address: string;
}

/**
 * What the coordinator knows of a pair. `epoch` is undefined before the first claim. `active` is undefined when
 * nobody claimed yet, when the holder resigned, and when the holder's session is known to have ended.
 */
export interface View {
  readonly epoch: Epoch | undefined;
  readonly active: Member | undefined;
  readonly members: readonly Member[];
}
