// The JSON of the admin HTTP interface; the cli reads it, people do too. Positions are decimal text.
import type { AppCondition, AppOutput, Role } from '@tandem/pair';
import type { LaneMetrics, TaskStatus } from '@tandem/lane';

/** GET /v1/node */
export interface NodeReport {
  readonly pair: string;
  readonly node: string;
  readonly incarnation: string;
  readonly address: string;
  readonly role: Role;
  readonly epoch: number | null;
  readonly startedAt: string;
  /** The node's clock at the moment of the answer. */
  readonly time: string;
  /** Version of Node.js. */
  readonly runtime: string;
  readonly coordinator: { readonly connected: boolean; readonly detail: string | null };
  readonly link: { readonly open: boolean; readonly peer: string | null };
  readonly troubles: readonly string[];
}

/** GET /v1/pair */
export interface PairReport {
  readonly pair: string;
  readonly epoch: number | null;
  readonly active: string | null;
  readonly members: readonly {
    readonly node: string;
    readonly incarnation: string;
    readonly address: string;
    /** As the member itself answers; null when it does not. */
    readonly role: Role | null;
  }[];
}

export interface AppSummary {
  readonly app: string;
  readonly version: number;
  readonly condition: AppCondition;
  readonly output: AppOutput;
  readonly reason: string | null;
  /** It was found to differ from the active's, and has not got its state anew yet. */
  readonly diverged: boolean;
  readonly restarts: number;
}

/** How an app's state compares with the active's; counts are those of this process. */
export interface DigestReport {
  readonly taken: number;
  /** Positions at which both nodes' were compared here. */
  readonly compared: number;
  readonly divergences: number;
  readonly lastDivergence: {
    readonly task: string;
    readonly position: string;
    readonly what: 'state' | 'outputs';
  } | null;
  /** Every task was found equal since its state was put in place; false on the active, which is what others are compared with. */
  readonly verified: boolean;
}

/** GET /v1/apps: AppSummary[]; GET /v1/apps/:app */
export interface AppReport extends AppSummary {
  readonly topologyHash: string;
  readonly lanes: number;
  readonly inSync: boolean;
  readonly tasks: readonly TaskStatus[];
  readonly metrics: readonly LaneMetrics[];
  readonly troubles: readonly string[];
  readonly digests: DigestReport;
  readonly persistence: {
    readonly lastRevision: number | null;
    readonly lastAt: string | null;
    readonly lastError: string | null;
  };
}

/** GET /v1/apps/:app/published */
export interface PublishedReport {
  readonly app: string;
  readonly epoch: number | null;
  /** By publisher, then task. */
  readonly published: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** GET /v1/apps/:app/revisions */
export interface RevisionReport {
  readonly revision: number;
  readonly appVersion: number;
  readonly epoch: number;
  readonly size_bytes: number;
  readonly createdAt: string;
  readonly positions: Readonly<Record<string, string>>;
}

/** POST /v1/pair/switchover */
export interface SwitchoverReport {
  readonly outcome: 'done' | 'refused' | 'expired';
  readonly detail: string;
  readonly took_ms: number;
}

/** application/problem+json (RFC 9457), every error answer. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
}

/** What the HTTP doors need of a running node; implemented by the node, faked in the doors' own tests. */
export interface NodeDoors {
  readonly token: string | undefined;
  /** Whether it listens on loopback only, so that no token is needed. */
  readonly loopback: boolean;
  node(): NodeReport;
  pair(): Promise<PairReport>;
  apps(): readonly AppSummary[];
  /** Undefined: no such app. */
  app(name: string): Promise<AppReport | undefined>;
  published(name: string): PublishedReport | undefined;
  revisions(name: string): Promise<readonly RevisionReport[] | undefined>;
  /** Stored bytes of one revision, gzip. */
  revision(name: string, revision: number): AsyncIterable<Uint8Array> | undefined;
  /** A snapshot taken now, gzip; undefined: no such app. @throws TandemError `not-vouched` or `app-failed` when its state cannot be vouched for. */
  snapshot(name: string): AsyncIterable<Uint8Array> | undefined;
  /** Takes and stores a revision now. @throws TandemError `not-active` on a node that is not. */
  persist(name: string): Promise<{ readonly revision: number; readonly size_bytes: number } | undefined>;
  switchover(): Promise<SwitchoverReport>;
  /** Prometheus text. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Ready: joined, and every app in sync, replaying live or failed for good is said in `why`. */
  ready(): { readonly ok: boolean; readonly why: string };
  started(): { readonly ok: boolean; readonly why: string };
}
