// Views and claims: which epoch is current, who holds it, and what becomes of this node's own claim (S1).
import { openAgain } from './apps.ts';
import { demote } from './handover.ts';
import type { ClaimState } from './protocol.ts';
import { epochOf, changeRole, violated, type Turn } from './turn.ts';
import type { Epoch, View } from './vocabulary.ts';

export function onView(turn: Turn, view: View): void {
  const { pair } = turn;
  // A view may be older than an answer that overtook it.
  if (epochOf(view) < epochOf(pair.view)) return;
  pair.view = view;
  if (view.active === undefined) pair.vacantSince_ms ??= turn.at_ms;
  else {
    pair.vacantSince_ms = undefined;
    pair.lastActive = view.active;
  }
  keepLinkEpoch(turn);
  // The answer to a claim under way says more than a view that may have been taken before it.
  if (pair.claim?.phase === 'asked') return;
  if (pair.claim?.phase === 'unknown') {
    if (epochOf(view) === (pair.claim.expected ?? 0)) waitBeforeClaiming(turn);
    pair.claim = undefined;
  }
  settleEpoch(turn);
}

export function onClaimWon(turn: Turn, epoch: Epoch): void {
  const { pair } = turn;
  const claim = claimAnswered(turn);
  if (epoch !== (claim.expected ?? 0) + 1) violated(`S1: epoch ${epoch} was won after ${claim.expected ?? 'none'}`);
  pair.claim = undefined;
  // The view may have gone further already: then the epoch is lost as soon as it was won.
  if (epochOf(pair.view) < epoch) {
    pair.view = { members: [], ...pair.view, epoch, active: turn.settings.self };
    pair.lastActive = turn.settings.self;
    pair.vacantSince_ms = undefined;
    keepLinkEpoch(turn);
  }
  if (epochOf(pair.view) === epoch) hold(turn, epoch, claim.why);
  settleEpoch(turn);
}

export function onClaimLost(turn: Turn, view: View): void {
  const { pair } = turn;
  const claim = claimAnswered(turn);
  pair.claim = undefined;
  if (epochOf(view) === (claim.expected ?? 0)) waitBeforeClaiming(turn);
  onView(turn, view);
  // Views that came while the answer was awaited may be newer than the answer's.
  settleEpoch(turn);
}

function claimAnswered(turn: Turn): ClaimState {
  const { claim } = turn.pair;
  return claim?.phase === 'asked' ? claim : violated('nothing was claimed');
}

/** The claim may have taken place: an unknown outcome is not a lost claim. Reading the view decides. */
export function onClaimUnknown(turn: Turn): void {
  turn.pair.claim = { ...claimAnswered(turn), phase: 'unknown' };
}

/**
 * Reads the view, and again until an answer comes (L2): after a claim whose outcome is unknown, and while the view
 * shows this node in an epoch that it has left, because a fence or the coordinator said so.
 */
export function readViewWhenInDoubt(turn: Turn): void {
  const { pair, at_ms, settings } = turn;
  const hasLeft = !pair.stopping && pair.held === undefined && pair.view?.active?.incarnation === pair.self.incarnation;
  const isInDoubt = pair.claim === undefined ? hasLeft : pair.claim.phase === 'unknown';
  if (!isInDoubt) pair.readViewAt_ms = undefined;
  else if (at_ms >= (pair.readViewAt_ms ?? at_ms)) {
    pair.readViewAt_ms = at_ms + settings.sessionTimeout_ms;
    turn.effects.push({ type: 'read-view' });
  }
}

/** Compares the view with what this node holds, and follows. */
function settleEpoch(turn: Turn): void {
  const { pair } = turn;
  const view = pair.view;
  if (view?.epoch === undefined) return;
  const mine = view.active?.incarnation === pair.self.incarnation;
  if (pair.held !== undefined) {
    if (view.epoch === pair.held) {
      if (view.active !== undefined && !mine) violated(`S1: epoch ${view.epoch} is held twice`);
      return;
    }
    // A claim that was thought to be lost has taken place after all: still ours, one epoch on.
    if (mine) hold(turn, view.epoch, 'the view shows a claim of ours whose answer was lost');
    else demote(turn, `${view.active?.node ?? 'another node'} has claimed epoch ${view.epoch}`);
  } else if (mine && view.epoch > (pair.givenUp ?? 0)) {
    hold(turn, view.epoch, 'the view shows a claim of ours whose answer was lost');
  }
}

function hold(turn: Turn, epoch: Epoch, why: string): void {
  const { pair } = turn;
  waitOutPredecessor(turn, epoch);
  pair.held = epoch;
  pair.invitation = undefined;
  pair.candidateSince_ms = undefined;
  pair.probe = undefined;
  pair.verifications = {};
  if (pair.stopping) {
    demote(turn, 'it is stopping');
    return;
  }
  changeRole(turn, 'promoting', why);
  openAgain(turn, epoch);
}

/**
 * S11: whatever the holder before was last told by the coordinator, it had asked for before this claim took place. What
 * it may do on the strength of that is over one session time-out from now. An epoch that was ours adds nothing.
 */
function waitOutPredecessor(turn: Turn, epoch: Epoch): void {
  const { pair, at_ms, settings } = turn;
  const before = epoch - 1;
  if (before === 0 || before === pair.held || before === pair.givenUp) return;
  pair.unfencedFrom_ms = at_ms + settings.sessionTimeout_ms;
}

function waitBeforeClaiming(turn: Turn): void {
  turn.pair.claimNotBefore_ms = turn.at_ms + turn.settings.coordinatorRetry_ms;
}

/** A link outlives an active's new epoch when the active stays the same process. */
function keepLinkEpoch(turn: Turn): void {
  const { link, view } = turn.pair;
  if (link?.open !== true || view?.epoch === undefined || view.active?.incarnation !== link.peer) return;
  turn.pair.link = { ...link, epoch: view.epoch };
}
