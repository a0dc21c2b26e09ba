// What a lane and a compiled app say to each other: records in, outputs out, stores that can be cut and restored.
import type { ContentSum } from './digest.ts';

/** One input record; the lane's cursor itself, so nothing is allocated. A null key or value has its end at -1. */
export interface InputRecord {
  readonly position: number;
  readonly timestamp_ms: number;
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  headers(): readonly string[] | undefined;
}

/** Takes a task's outputs as they are made. Text is encoded as UTF-8 straight into the queue. */
export interface OutputCollector {
  /** `headers`: flat name, value, ... */
  emit(
    sink: number,
    key: string | Uint8Array | null,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers?: readonly string[],
  ): void;
  /** As emit, with the key bytes of the input record that is being applied. */
  emitWithInputKey(
    sink: number,
    input: InputRecord,
    value: string | Uint8Array | null,
    timestamp_ms: number,
    headers?: readonly string[],
  ): void;
  /** Takes back every output of the input that is being applied. */
  undoInput(): void;
}

/** A consistent view of one store at the moment it was opened; writes that follow do not show in it. */
export interface StoreCut {
  /**
   * Hands entries over in insertion order until `take` answers false or none is left; true when none is left.
   * An entry is an array of values that `restore` understands; it must not be changed.
   */
  drain(take: (entry: readonly unknown[]) => boolean): boolean;
  /** Lets go of what was kept aside; the store may be cut again. */
  close(): void;
}

export interface StateStore {
  readonly name: string;
  /** Number of entries. */
  readonly size: number;
  /** One cut at a time. */
  openCut(): StoreCut;
  /** Adds one entry of a cut, in the cut's order, to a store that had none when restoring began. */
  restore(entry: readonly unknown[]): void;
  /** From now on what changes is noted for `digest`; only while it has no entries. */
  noteChanges(): void;
  /**
   * Identifies the content, however it came about: by processing or by restoring. Costs a hash per entry that has
   * changed since the digest before, and a step per open window. Needs `noteChanges`.
   */
  digest(): ContentSum;
}

export interface TaskMetrics {
  /** Records dropped because their window had closed. */
  late: number;
  /** Records sent to the dead-letter sink. */
  deadLettered: number;
}

/** One task of an app: operators as direct calls, and their state. */
export interface TaskProgram {
  /**
   * Applies one record whole; every output has been collected when it returns.
   * @throws InputError when the record is refused and the app says `halt`; the state is then as before the record
   * only where the error says so, and the lane must stop the task.
   */
  process(record: InputRecord): void;
  /** Every store of the task, operators' own state included, in a fixed order. */
  readonly stores: readonly StateStore[];
  readonly metrics: TaskMetrics;
  /** Of the content of all stores, 16 hex digits. Needs `noteChanges` of each of them. Between inputs only. */
  digest(): string;
}

/** What runs where: one entry per sub-topology, each with exactly one source. */
export interface SubTopology {
  readonly source: string;
  readonly sinks: readonly string[];
  readonly stores: readonly string[];
}

/** A checked app, ready to run. */
export interface Topology {
  readonly app: string;
  readonly version: number;
  /** Of everything a snapshot depends on: sources, operators, stores, sinks and their order. 16 hex digits. */
  readonly hash: string;
  readonly sources: readonly string[];
  /** The order of `sink` numbers in the collector. */
  readonly sinks: readonly string[];
  readonly subTopologies: readonly SubTopology[];
  createTask(source: string, partition: number, collector: OutputCollector): TaskProgram;
}
