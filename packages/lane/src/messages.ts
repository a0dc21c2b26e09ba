// Everything control and a lane say to each other. Plain data only; buffers are transferred, never shared.
import type { AppName, Epoch, PublisherName, TaskId } from '@tandem/pair';
import type { StartFrom } from '@tandem/ports';
import type { TrimLag } from './trim-lag.ts';

/** Positions as plain data: decimal text by task. */
export type PositionTexts = Readonly<Record<TaskId, string>>;

export interface AdapterUse {
  /** The adapter's name, for instance `postgres`. */
  readonly adapter: string;
  /** Its checked system configuration, plain JSON; may hold secrets: never logged. */
  readonly system: unknown;
}

export interface SourceUse extends AdapterUse {
  readonly source: string;
  readonly binding: unknown;
  readonly startFrom: StartFrom;
}

/** One per external system: all sinks written in one transaction. */
export interface PublisherUse extends AdapterUse {
  readonly publisher: PublisherName;
  readonly sinks: readonly { readonly sink: string; readonly binding: unknown }[];
}

/** The worker's `workerData`. */
export interface LaneSpec {
  readonly pair: string;
  readonly app: AppName;
  readonly lane: number;
  readonly lanes: number;
  readonly sources: readonly SourceUse[];
  readonly publishers: readonly PublisherUse[];
  /** Of this lane's share: both nodes the same. */
  readonly queueLimit_bytes: number;
  readonly publishMaxOutputs: number;
  readonly publishMaxBytes: number;
  /** In sync: no task is further behind the end of its input than this. */
  readonly inSyncLag_inputs: number;
  /** Longest run of processing before the lane's event loop gets its turn. */
  readonly slice_ms: number;
  readonly digest: DigestSettings;
}

/** When a task's digest is taken: the same on both nodes, as digests are compared by position. */
export interface DigestSettings {
  /** At every multiple of so many positions; 0: never, nor at the end. */
  readonly every_inputs: number;
  /** At the end of the input, once nothing has come for this long. */
  readonly interval_ms: number;
}

/** What a task has become by the inputs before a position; equal on nodes that have become the same. */
export interface TaskDigest {
  readonly task: TaskId;
  readonly position: string;
  /** Of all stores, 16 hex digits. */
  readonly state: string;
  /** Rolling hash of the outputs of the inputs from `since` on, 8 hex digits for each publisher, by their names. */
  readonly outputs: string;
  readonly since: string;
}

/** Per task, as far as this node is concerned. */
export interface TaskStatus {
  readonly task: TaskId;
  readonly position: string;
  /** End of the input; null until first known. */
  readonly end: string | null;
  readonly lag_inputs: number | null;
  readonly published: Readonly<Record<PublisherName, string | null>>;
  /** Outputs queued, by sink. */
  readonly queued: Readonly<Record<string, number>>;
  readonly queued_bytes: number;
  readonly paused: boolean;
  readonly late: number;
  readonly deadLettered: number;
}

export interface LaneMetrics {
  readonly inputs: number;
  readonly outputs: number;
  readonly published: number;
  readonly publishCalls: number;
  readonly publishFailures: number;
  readonly stateEntries: number;
  readonly heap_bytes: number;
  /** Longest pause between two turns of the processing loop since the last status, ms. */
  readonly longestPause_ms: number;
  /** From the active's publishing to this lane's trimming, as a passive. */
  readonly trimLag: TrimLag;
}

export interface LaneStatus {
  readonly tasks: readonly TaskStatus[];
  readonly metrics: LaneMetrics;
  /** What keeps a source or publisher from its work at the moment. */
  readonly troubles: readonly string[];
  readonly inSync: boolean;
}

export type FailureCode =
  | 'app-load'
  | 'app-threw'
  | 'invalid-record'
  | 'source'
  | 'sink'
  | 'input-gap'
  | 'published-position-lost'
  | 'published-position-behind'
  | 'snapshot'
  | 'internal';

export type ToLane =
  /** Start every task at these positions with empty state. `run` comes back in the answer. */
  | { readonly type: 'start-at'; readonly run: number; readonly positions: PositionTexts }
  /** Resolve `startFrom` of every source, by asking the logs; answered by `genesis`. Nothing starts. */
  | { readonly type: 'resolve-genesis' }
  /** A snapshot follows in `restore-frames`. Each chunk is whole frames (snapshot format), transferred. */
  | { readonly type: 'restore-begin'; readonly run: number }
  | { readonly type: 'restore-frames'; readonly frames: ArrayBuffer }
  | { readonly type: 'restore-end' }
  /**
   * Steps 2 to 7. `initialise`: published positions to begin with, given once when genesis was just recorded.
   * `unfencedFrom_ms`: publishers at sinks without a fence do nothing before this time of the monotonic clock (S11).
   */
  | {
      readonly type: 'open';
      readonly epoch: Epoch;
      readonly initialise: PositionTexts | undefined;
      readonly unfencedFrom_ms?: number | undefined;
    }
  /** At sinks without a fence nothing may be under way after this time of the monotonic clock; replaces the one before. */
  | { readonly type: 'authority'; readonly until_ms: number }
  | { readonly type: 'verified'; readonly publisher: PublisherName; readonly epoch: Epoch }
  | { readonly type: 'step-down' }
  /** A successor was invited: begin nothing for this long, so that it does not first have to undo what is under way. */
  | { readonly type: 'hold'; readonly limit_ms: number }
  /** Durable published positions learnt from the active; `since_ms` as in `published`, where it is known. */
  | {
      readonly type: 'trim';
      readonly publisher: PublisherName;
      readonly positions: PositionTexts;
      readonly since_ms?: number | undefined;
    }
  /** Read published positions from where they are durable (live sync off, or the link is away). */
  | { readonly type: 'follow'; readonly on: boolean }
  /** Cut now; send at most `credit` chunks, then wait for more credit. */
  | { readonly type: 'snapshot-please'; readonly id: number; readonly credit: number }
  | { readonly type: 'snapshot-credit'; readonly id: number; readonly credit: number }
  | { readonly type: 'snapshot-cancel'; readonly id: number }
  /** No revision kept needs inputs before these positions. */
  | { readonly type: 'release'; readonly positions: PositionTexts }
  | { readonly type: 'query'; readonly id: number }
  | { readonly type: 'close' };

export type FromLane =
  /** First message: the app is loaded, its topology checked and its systems connected. */
  | {
      readonly type: 'described';
      readonly app: AppName;
      readonly version: number;
      readonly topologyHash: string;
      /** Tasks of this lane. */
      readonly tasks: readonly TaskId[];
      /** Tasks of the whole app. */
      readonly allTasks: readonly TaskId[];
      readonly publishers: readonly PublisherName[];
      /** Some of them write to a sink without a fence: they need to be told of `authority`. */
      readonly unfenced: boolean;
    }
  | { readonly type: 'genesis'; readonly positions: PositionTexts }
  /** May send this many more restore-frames messages of that run. */
  | { readonly type: 'restore-credit'; readonly run: number; readonly credit: number }
  /** Answers `start-at` and `restore-end`, by their run: state is in place, reading has begun. */
  | { readonly type: 'restored'; readonly run: number; readonly positions: PositionTexts }
  | {
      readonly type: 'verify-please';
      readonly publisher: PublisherName;
      readonly epoch: Epoch;
      readonly storedEpoch: Epoch | undefined;
    }
  /** The backlog is drained; outputs are published as they are made. */
  | { readonly type: 'live'; readonly publisher: PublisherName; readonly epoch: Epoch }
  | { readonly type: 'superseded'; readonly publisher: PublisherName; readonly byEpoch: Epoch | undefined }
  | { readonly type: 'stepped-down' }
  /**
   * Durable published positions that moved: from our own publishing or from following. Coalesced, at most 10 ms late.
   * `since_ms`: wall time at which the first of them was heard of.
   */
  | {
      readonly type: 'published';
      readonly publisher: PublisherName;
      readonly positions: PositionTexts;
      readonly since_ms: number;
    }
  /** Taken of the state of that run, oldest first. */
  | { readonly type: 'digests'; readonly run: number; readonly digests: readonly TaskDigest[] }
  /** Crossed the lag limit. */
  | { readonly type: 'lag'; readonly inSync: boolean }
  /** Whole frames of the snapshot format, transferred. `last`: the lane's part is complete; positions of its tasks at their cuts. */
  | { readonly type: 'snapshot-chunk'; readonly id: number; readonly frames: ArrayBuffer }
  | { readonly type: 'snapshot-end'; readonly id: number; readonly positions: PositionTexts }
  | { readonly type: 'snapshot-failed'; readonly id: number; readonly reason: string }
  | { readonly type: 'answer'; readonly id: number; readonly status: LaneStatus }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** The lane cannot go on; it has stopped publishing and will not do anything more. */
  | {
      readonly type: 'failed';
      readonly code: FailureCode;
      readonly reason: string;
      readonly blame: 'user' | 'failure';
      readonly positions: PositionTexts | undefined;
    }
  | { readonly type: 'closed' };
