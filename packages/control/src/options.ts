// Everything a node is started with. The composition root (cli, tests) fills it in; nothing here reads files or the environment.
import type { AppBundle, AppDescription, LaneSpec } from '@tandem/lane';
import type { Clock, Coordinator, SnapshotStore } from '@tandem/ports';
import type { NodeLog } from './log.ts';

export interface AppOptions {
  readonly description: AppDescription;
  readonly bundle: AppBundle;
  /** One per lane, all the same but for `lane`. */
  readonly lanes: readonly LaneSpec[];
}

export interface ListenAt {
  readonly host: string;
  readonly port: number;
}

export interface NodeOptions {
  readonly pair: string;
  readonly node: {
    readonly id: string;
    readonly listen: ListenAt;
    /** Where the peer and people reach it; undefined: built from the port that was bound. */
    readonly advertise: string | undefined;
    /** Bearer token; required unless `listen.host` is loopback. */
    readonly token: string | undefined;
  };
  readonly coordinator: Coordinator;
  readonly store: SnapshotStore;
  readonly apps: readonly AppOptions[];
  readonly stateSync: {
    readonly live: boolean;
    readonly retry_ms: number;
    /** How long after it got its state an app on a passive must have been found equal to the active's. */
    readonly grace_ms: number;
  };
  readonly outputSync: { readonly interval_ms: number };
  readonly persistence: { readonly interval_ms: number; readonly keep: number };
  readonly link: { readonly ping_ms: number };
  readonly switchover: { readonly limit_ms: number };
  readonly lane: {
    /** A lane that does not answer for this long is failed. */
    readonly answerLimit_ms: number;
    /** Of each lane's ordinary objects; default: what Node gives a thread. */
    readonly heapLimit_bytes?: number;
    readonly restartBackoff_ms: number;
    readonly maxRestarts: number;
  };
  readonly clock: Clock;
  readonly log: NodeLog;
}
