// What goes into the role machine and what comes out of it: events, effects, settings and the state between them.
import type { AppName, Epoch, Incarnation, Member, NodeId, PublisherName, View } from './vocabulary.ts';

export type Role = 'joining' | 'syncing' | 'passive' | 'promoting' | 'active' | 'demoting' | 'stopped';

/**
 * How far an app is on this node.
 * - `loading`: its lanes are being started
 * - `restoring`: a snapshot (or genesis) is being put in place
 * - `unborn`: nothing is recorded anywhere, it waits for a claim to resolve its genesis
 * - `inactive`: no snapshot could be had; tried again at `retryAt_ms`
 * - `replaying`: vouched for, not yet within the lag limit of the end of its input
 * - `in-sync`: vouched for and caught up
 * - `failed`: its lane failed; the node restarts it (`app-described` follows) until it gives up
 */
export type AppCondition = 'loading' | 'restoring' | 'unborn' | 'inactive' | 'replaying' | 'in-sync' | 'failed';

/** Whether this node's publishers of an app are switched on. */
export type AppOutput = 'closed' | 'opening' | 'live' | 'stepping-down';

export interface AppState {
  readonly condition: AppCondition;
  readonly output: AppOutput;
  /** All its lanes are up; false again once one has failed. */
  readonly described: boolean;
  /** Where its state was asked for last; the answer is awaited while the condition is `restoring`. */
  readonly askedFrom: 'peer' | 'store' | 'genesis' | undefined;
  /** The view's epoch when it was asked for. */
  readonly askedInEpoch: Epoch | undefined;
  /** The names of its publishers, known once it is described. */
  readonly publishers: readonly PublisherName[];
  /** Those that reported live in the current epoch; `output` is live when it holds all. */
  readonly livePublishers: readonly PublisherName[];
  /** When an app that is inactive, or unborn on a passive, is tried again. */
  readonly retryAt_ms: number | undefined;
  /** Why it is inactive or failed, or was last, for people. */
  readonly reason: string | undefined;
  /** It was found to differ from the active's, and has not been put in place anew since. */
  readonly diverged: boolean;
  /** When it last was. */
  readonly divergedAt_ms: number | undefined;
  /** It failed for good and the peer has not been asked to take over because of that yet. */
  readonly handOver: boolean;
}

export interface LinkState {
  /** The peer at the other end; on the active: the passive that is linked to it. */
  readonly peer: Incarnation;
  /** The epoch in which the link was opened. */
  readonly epoch: Epoch;
  readonly open: boolean;
  /** When it was closed or fell silent. */
  readonly closedAt_ms: number | undefined;
}

export interface PairSettings {
  readonly self: Member;
  /** The coordinator's session time-out. */
  readonly sessionTimeout_ms: number;
  /** Shortest time between two claims that rest on a probe alone. */
  readonly probeClaimInterval_ms: number;
  /** How long to wait before probing again after an answer that said nothing, doubled up to one session time-out. */
  readonly probeRetry_ms: number;
  /** How long a candidate that is behind waits before it claims. */
  readonly headStart_ms: number;
  /** How long a successor has to claim after an invitation. */
  readonly switchoverLimit_ms: number;
  /** Whether state is taken from a peer (true) or from the snapshot store (false). */
  readonly liveSync: boolean;
  /** How long an inactive app waits before it is tried again, and one that diverges again and again at least. */
  readonly stateSyncRetry_ms: number;
  /** How long to wait before asking an unreachable coordinator again, doubled up to one session time-out. */
  readonly coordinatorRetry_ms: number;
}

/**
 * Everything that can happen to a node, as facts. All times are of the local monotonic clock, in ms.
 * Control raises them; nothing else does.
 */
export type PairEvent =
  /** The coordinator's view, at the start and whenever it changed. */
  | { readonly type: 'view-changed'; readonly at_ms: number; readonly view: View }
  /** No confirmed answer of the coordinator within the self-fence deadline. */
  | { readonly type: 'coordinator-lost'; readonly at_ms: number }
  | { readonly type: 'coordinator-back'; readonly at_ms: number }
  /** The link between this node and `peer` is up (said on both ends). */
  | { readonly type: 'link-opened'; readonly at_ms: number; readonly peer: Incarnation; readonly epoch: Epoch }
  /** The link's connection closed, or nothing was heard for one session time-out. */
  | {
      readonly type: 'link-closed';
      readonly at_ms: number;
      readonly peer: Incarnation;
      readonly how: 'closed' | 'silent';
    }
  | {
      readonly type: 'probe-answered';
      readonly at_ms: number;
      readonly peer: Incarnation;
      /** `gone`: connection refused, or another incarnation answered. */
      readonly outcome: 'gone' | 'alive' | 'unknown';
    }
  | { readonly type: 'claim-won'; readonly at_ms: number; readonly epoch: Epoch }
  | { readonly type: 'claim-lost'; readonly at_ms: number; readonly view: View }
  /** The answer was lost: the claim may have taken place. */
  | { readonly type: 'claim-unknown'; readonly at_ms: number }
  /** All lanes of the app are up and have described it. */
  | {
      readonly type: 'app-described';
      readonly at_ms: number;
      readonly app: AppName;
      readonly publishers: readonly PublisherName[];
    }
  /** State and positions are in place; the app reads and replays (S8: it can be vouched for). */
  | { readonly type: 'app-restored'; readonly at_ms: number; readonly app: AppName }
  /** Neither a revision nor a genesis is recorded. */
  | { readonly type: 'app-unborn'; readonly at_ms: number; readonly app: AppName }
  /** No state could be had from where it was asked for. */
  | {
      readonly type: 'app-unavailable';
      readonly at_ms: number;
      readonly app: AppName;
      readonly reason: string;
      /** When to ask again, where that may help sooner than after `stateSyncRetry_ms`. */
      readonly retry_ms?: number;
    }
  /** At one position its state or outputs here are not those of the active. */
  | { readonly type: 'app-diverged'; readonly at_ms: number; readonly app: AppName; readonly reason: string }
  /** In good time it has neither been found equal to the active's nor different. */
  | { readonly type: 'app-unverified'; readonly at_ms: number; readonly app: AppName; readonly reason: string }
  /** Crossed the lag limit, in either direction. */
  | { readonly type: 'app-lag'; readonly at_ms: number; readonly app: AppName; readonly inSync: boolean }
  | {
      readonly type: 'app-failed';
      readonly at_ms: number;
      readonly app: AppName;
      readonly reason: string;
      /** False when the node will not restart it any more. */
      readonly willRestart: boolean;
    }
  /** A lane's publisher has been opened and asks whether its epoch is still current (promotion, step 3). */
  | {
      readonly type: 'verify-please';
      readonly at_ms: number;
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly lane: number;
      readonly epoch: Epoch;
      /** The epoch that the sink's own fence held before this opening, where the system knows it. */
      readonly storedEpoch: Epoch | undefined;
    }
  | {
      readonly type: 'verify-answered';
      readonly at_ms: number;
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly lane: number;
      readonly epoch: Epoch;
      readonly storedEpoch: Epoch | undefined;
      readonly outcome: 'current' | 'superseded' | 'unanswered';
    }
  /** All lanes of this publisher drained their queues' backlog and publish as they go. */
  | {
      readonly type: 'publisher-live';
      readonly at_ms: number;
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly epoch: Epoch;
    }
  /** A sink's fence or read-back holds an epoch above ours: somebody newer is active. */
  | {
      readonly type: 'publisher-superseded';
      readonly at_ms: number;
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly byEpoch: Epoch | undefined;
    }
  /** All publishers of the app are closed. */
  | { readonly type: 'app-stepped-down'; readonly at_ms: number; readonly app: AppName }
  /** The linked passive said which apps it could take over now. */
  | {
      readonly type: 'peer-status';
      readonly at_ms: number;
      readonly peer: Incarnation;
      readonly inSyncApps: readonly AppName[];
    }
  /** Somebody asked the active to hand over. `request` comes back in the answer. */
  | { readonly type: 'switchover-requested'; readonly at_ms: number; readonly request: string }
  /** The active invites this node to claim its epoch's successor within the limit. */
  | {
      readonly type: 'invited';
      readonly at_ms: number;
      readonly by: Incarnation;
      readonly epoch: Epoch;
      readonly limit_ms: number;
    }
  /** SIGTERM: hand over if somebody can take it, then exit. */
  | { readonly type: 'stop-requested'; readonly at_ms: number }
  /** The time that `wakeAt_ms` named has come. */
  | { readonly type: 'tick'; readonly at_ms: number };

/** What control has to do, in the order given. Every effect is answered by an event unless it says "no answer". */
export type PairEffect =
  /** One atomic step: check the epoch, raise it, become the active entry. `undefined`: nobody ever claimed. */
  | { readonly type: 'claim'; readonly expected: Epoch | undefined; readonly why: string }
  /** Read the coordinator's view again (after a lost answer); answered by view-changed. */
  | { readonly type: 'read-view' }
  /** Is that process gone? */
  | { readonly type: 'probe'; readonly peer: Member }
  /** Ask the coordinator by a linearizable read; answered by verify-answered. After `delay_ms`. */
  | {
      readonly type: 'verify';
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly lane: number;
      readonly epoch: Epoch;
      readonly storedEpoch: Epoch | undefined;
      readonly delay_ms: number;
    }
  /** Tell the lane to go on with step 4. No answer of its own (publisher-live follows). */
  | {
      readonly type: 'verified';
      readonly app: AppName;
      readonly publisher: PublisherName;
      readonly lane: number;
      readonly epoch: Epoch;
    }
  /**
   * Put state in place: from that peer, or from the store (newest revision, else recorded genesis). Replaces an
   * earlier one of the app that has not been answered: only the last is.
   */
  | {
      readonly type: 'restore';
      readonly app: AppName;
      readonly from: { readonly kind: 'peer'; readonly peer: Member } | { readonly kind: 'store' };
    }
  /** Resolve and record the app's genesis in this epoch and start it there; answered by app-restored or app-failed. */
  | { readonly type: 'begin-at-genesis'; readonly app: AppName; readonly epoch: Epoch }
  /**
   * Switch the app's publishers on in this epoch: steps 2 to 7. Those at a sink without a fence wait until
   * `unfencedFrom_ms` before they do anything (S11); undefined: nobody has ever been active.
   */
  | {
      readonly type: 'open';
      readonly app: AppName;
      readonly epoch: Epoch;
      readonly unfencedFrom_ms: number | undefined;
    }
  /** Switch them off; what is in flight is waited for within a limit. */
  | { readonly type: 'step-down'; readonly app: AppName }
  /** Give up the active entry, if it is ours. No answer. */
  | { readonly type: 'resign'; readonly epoch: Epoch }
  /** Send the linked passive an invitation. No answer. */
  | { readonly type: 'invite'; readonly peer: Incarnation; readonly epoch: Epoch; readonly limit_ms: number }
  /** Answer a switchover request. No answer. */
  | {
      readonly type: 'answer-switchover';
      readonly request: string;
      readonly outcome: 'done' | 'refused' | 'expired';
      readonly detail: string;
    }
  /** Log one line: the role changed, and why. No answer. */
  | {
      readonly type: 'role-changed';
      readonly from: Role;
      readonly to: Role;
      readonly epoch: Epoch | undefined;
      readonly why: string;
    }
  /** Everything is closed; leave the pair and end the process. No answer. */
  | { readonly type: 'exit' };

/** A claim of ours whose outcome is not known yet. */
export interface ClaimState {
  readonly expected: Epoch | undefined;
  readonly why: string;
  /** `asked`: the coordinator's answer is awaited; `unknown`: it was lost, the view is being read. */
  readonly phase: 'asked' | 'unknown';
}

/** One question to the coordinator. An opening counts only if the answer was asked for after it. */
export interface VerificationState {
  /** Of the newest opening. */
  readonly storedEpoch: Epoch | undefined;
  /** How long the question was put off, after answers that did not come. */
  readonly delay_ms: number;
  /** The publisher was opened again since: the answer says nothing about that, ask once more. */
  readonly openedSince: boolean;
}

/**
 * What a probe said of the peer whose link closed. One per closing, unless it said nothing, as it does of a process that
 * is just ending, or is too old to act upon.
 */
export interface ProbeState {
  readonly peer: Incarnation;
  readonly outcome: 'asked' | 'gone' | 'alive' | 'unknown';
  readonly at_ms: number;
  /** Before the next one, if this one says nothing. */
  readonly retry_ms: number;
}

/** Our invitation to the linked passive. */
export interface SwitchoverState {
  /** Whom to answer; undefined where nobody asked: we are stopping, or an app has failed for good. */
  readonly request: string | undefined;
  readonly peer: Incarnation;
  readonly epoch: Epoch;
  readonly until_ms: number;
}

/** The active's invitation to us. */
export interface InvitationState {
  readonly by: Incarnation;
  readonly epoch: Epoch;
  readonly until_ms: number;
}

/** All that the machine knows. Plain data, never changed in place. */
export interface PairState {
  readonly role: Role;
  readonly self: { readonly node: NodeId; readonly incarnation: Incarnation };
  /** The newest view; older ones are ignored. */
  readonly view: View | undefined;
  /** Whether the coordinator has confirmed anything lately. */
  readonly coordinator: 'reachable' | 'lost';
  /** The epoch in which this node may publish: active in it or promoting to it. None while it is leaving one. */
  readonly held: Epoch | undefined;
  /** The last epoch that this node held and left by itself. */
  readonly givenUp: Epoch | undefined;
  /**
   * From when on nobody whose epoch was before the one that is held can still be at work at a sink without a fence: one
   * session time-out after it was claimed from another process. Undefined: there never was one.
   */
  readonly unfencedFrom_ms: number | undefined;
  /** When the view is read again, while it cannot be right as it is. */
  readonly readViewAt_ms: number | undefined;
  /** Since when the view has shown nobody active. */
  readonly vacantSince_ms: number | undefined;
  /** The last active that a view has named. */
  readonly lastActive: Member | undefined;
  readonly apps: Readonly<Record<AppName, AppState>>;
  readonly link: LinkState | undefined;
  /** What the linked peer could take over now, as it said. */
  readonly peerInSync: readonly AppName[];
  readonly claim: ClaimState | undefined;
  /** No claim before this time (after one that changed nothing, and after an epoch that a sink refused). */
  readonly claimNotBefore_ms: number | undefined;
  /** Since when there are grounds for a claim: a head start for better candidates counts from here. */
  readonly candidateSince_ms: number | undefined;
  readonly probe: ProbeState | undefined;
  /** When this node last claimed on the strength of a probe alone. */
  readonly probeClaimAt_ms: number | undefined;
  readonly switchover: SwitchoverState | undefined;
  readonly invitation: InvitationState | undefined;
  readonly stopping: boolean;
  /** Verifications of the held epoch that are not answered yet, by app, publisher and lane. */
  readonly verifications: Readonly<Record<string, VerificationState>>;
  /** Earliest time at which a tick is wanted; undefined when none is. Control keeps one timer for it. */
  readonly wakeAt_ms: number | undefined;
}

/** What one event led to. */
export interface Step {
  readonly state: PairState;
  readonly effects: readonly PairEffect[];
}
