// When a node claims the next epoch: never on lag, always on a ground that can be told in one sentence.
import type { PairEvent, ProbeState } from './protocol.ts';
import { changeApp, eachApp, epochOf, isVouchedFor, otherActive, type Turn } from './turn.ts';
import type { Incarnation, Member } from './vocabulary.ts';

type Event<Type extends PairEvent['type']> = Extract<PairEvent, { type: Type }>;

/** Why a claim may be made now. A better candidate is given a head start, except where this one was asked by name. */
interface Ground {
  readonly why: string;
  readonly kind: 'nobody-active' | 'gone' | 'invited';
}

export function onLinkOpened(turn: Turn, event: Event<'link-opened'>): void {
  const { pair } = turn;
  const { peer, epoch } = event;
  pair.link = { peer, epoch, open: true, closedAt_ms: undefined };
  pair.peerInSync = [];
  pair.probe = undefined;
  if (peer !== otherActive(pair)?.incarnation) return;
  // Whoever can be reached again can be asked again.
  for (const [name, { retryAt_ms }] of eachApp(turn)) {
    if (retryAt_ms !== undefined) changeApp(turn, name, { retryAt_ms: turn.at_ms });
  }
}

export function onLinkClosed(turn: Turn, event: Event<'link-closed'>): void {
  const { pair, at_ms } = turn;
  // Two links to one peer may overlap while roles change: each closing is a reason to look again.
  if (pair.link?.peer !== event.peer) return;
  pair.link = { ...pair.link, open: false, closedAt_ms: at_ms };
  pair.peerInSync = [];
  pair.probe = undefined;
}

export function onPeerStatus(turn: Turn, event: Event<'peer-status'>): void {
  const { pair } = turn;
  if (pair.link?.peer !== event.peer) return;
  // Whoever speaks is linked, though an older link to it may have been closed meanwhile.
  pair.link = { ...pair.link, open: true, closedAt_ms: undefined };
  pair.peerInSync = event.inSyncApps;
}

export function onProbeAnswered(turn: Turn, event: Event<'probe-answered'>): void {
  const { probe } = turn.pair;
  if (probe?.outcome !== 'asked' || probe.peer !== event.peer) return;
  turn.pair.probe = { ...probe, outcome: event.outcome, at_ms: turn.at_ms };
}

export function onInvited(turn: Turn, event: Event<'invited'>): void {
  const { pair } = turn;
  pair.invitation = { by: event.by, epoch: event.epoch, until_ms: turn.at_ms + event.limit_ms };
  // The invitation overtook the view that it speaks of.
  if (event.epoch > epochOf(pair.view)) turn.effects.push({ type: 'read-view' });
}

/** The active lost its session, yet runs: it claims again before anybody else does. */
export function reclaim(turn: Turn): void {
  const { pair } = turn;
  if (pair.held === undefined || pair.view?.active !== undefined || !mayClaim(turn)) return;
  claim(turn, 'its session with the coordinator was lost');
}

/** Claims when there is a ground for it. One claim at a time. */
export function claimWhenDue(turn: Turn): void {
  const { pair, at_ms, settings } = turn;
  const ground = isCandidate(turn) ? groundFor(turn) : undefined;
  if (ground === undefined) {
    pair.candidateSince_ms = undefined;
    return;
  }
  pair.candidateSince_ms ??= at_ms;
  if (!mayClaim(turn)) return;
  if (ground.kind !== 'invited' && !hasAppInSync(turn) && at_ms < pair.candidateSince_ms + settings.headStart_ms)
    return;
  if (ground.kind === 'gone') pair.probeClaimAt_ms = at_ms;
  claim(turn, ground.why);
}

/** Asks whether the active's process is gone, where its link has closed and a claim could follow. */
export function probeWhenDue(turn: Turn): void {
  const { pair, at_ms, settings } = turn;
  const active = lostActive(turn);
  if (active === undefined || !isCandidate(turn) || !hasVouchedApp(turn)) return;
  if (at_ms < probeClaimAllowedAt_ms(turn)) return;
  const before = pair.probe;
  if (before !== undefined && at_ms < probeAgainAt_ms(turn, before)) return;
  const retry_ms =
    before?.outcome === 'unknown' ? Math.min(before.retry_ms * 2, settings.sessionTimeout_ms) : settings.probeRetry_ms;
  pair.probe = { peer: active.incarnation, outcome: 'asked', at_ms, retry_ms };
  turn.effects.push({ type: 'probe', peer: active });
}

/** Times at which a claim or a probe may have become due. */
export function claimTimes_ms(turn: Turn): readonly (number | undefined)[] {
  const { pair, settings } = turn;
  const headStart_ms =
    pair.candidateSince_ms === undefined ? undefined : pair.candidateSince_ms + settings.headStart_ms;
  const probe_ms =
    lostActive(turn) === undefined
      ? undefined
      : Math.max(
          probeClaimAllowedAt_ms(turn),
          pair.probe?.outcome === 'unknown' ? probeAgainAt_ms(turn, pair.probe) : 0,
        );
  return [headStart_ms, pair.claimNotBefore_ms, probe_ms, leftToLastActiveUntil_ms(turn)];
}

function claim(turn: Turn, why: string): void {
  const expected = turn.pair.view?.epoch;
  turn.pair.claim = { expected, why, phase: 'asked' };
  turn.effects.push({ type: 'claim', expected, why });
}

function isCandidate(turn: Turn): boolean {
  const { role } = turn.pair;
  return role === 'joining' || role === 'syncing' || role === 'passive';
}

function mayClaim(turn: Turn): boolean {
  const { claim: underWay, coordinator, claimNotBefore_ms, stopping } = turn.pair;
  return underWay === undefined && coordinator === 'reachable' && !stopping && turn.at_ms >= (claimNotBefore_ms ?? 0);
}

function groundFor(turn: Turn): Ground | undefined {
  const { pair, at_ms } = turn;
  const { view } = pair;
  if (view === undefined) return undefined;
  const active = view.active;
  if (active === undefined) {
    const last = pair.lastActive;
    if (isLeftToLastActive(turn)) return undefined;
    const canBegin = eachApp(turn).some(([, app]) => app.condition === 'unborn');
    if (!hasVouchedApp(turn) && !canBegin) return undefined;
    return {
      kind: 'nobody-active',
      why: last === undefined ? 'nobody is active' : `${last.node} is not active any more`,
    };
  }
  if (!hasVouchedApp(turn)) return undefined;
  if (invitedBy(turn) === active.incarnation) {
    return { kind: 'invited', why: `${active.node} hands over` };
  }
  const { probe } = pair;
  const isGone = probe?.outcome === 'gone' && isFresh(turn, probe.at_ms);
  if (isGone && lostActive(turn) !== undefined && at_ms >= probeClaimAllowedAt_ms(turn)) {
    return { kind: 'gone', why: `the link to ${active.node} closed and its process is gone` };
  }
  return undefined;
}

/**
 * A linked active that only lost its session claims again first. It has one session time-out for that: one that
 * runs and is linked, yet cannot reach the coordinator, must not keep the pair from having an active for ever (L1).
 */
function isLeftToLastActive(turn: Turn): boolean {
  const { link, lastActive } = turn.pair;
  const isLinked = link?.open === true && link.peer === lastActive?.incarnation;
  return isLinked && invitedBy(turn) === undefined && turn.at_ms < leftToLastActiveUntil_ms(turn);
}

function leftToLastActiveUntil_ms(turn: Turn): number {
  const { vacantSince_ms } = turn.pair;
  return vacantSince_ms === undefined ? 0 : vacantSince_ms + turn.settings.sessionTimeout_ms;
}

/** Who invites this node to claim, in this epoch and within the limit. */
function invitedBy({ pair, at_ms }: Turn): Incarnation | undefined {
  const { invitation } = pair;
  if (invitation === undefined || invitation.epoch !== epochOf(pair.view) || at_ms >= invitation.until_ms)
    return undefined;
  return invitation.by;
}

/** The active, where this node was linked to that very incarnation in this epoch and is not any more. */
function lostActive({ pair }: Turn): Member | undefined {
  const { link, view } = pair;
  const active = otherActive(pair);
  const isLost = link?.open === false && link.peer === active?.incarnation && link.epoch === view?.epoch;
  return isLost ? active : undefined;
}

/** A path that answers for a live process as if it were gone costs one takeover, not one after the other. */
function probeClaimAllowedAt_ms(turn: Turn): number {
  const { probeClaimAt_ms } = turn.pair;
  return probeClaimAt_ms === undefined ? 0 : probeClaimAt_ms + turn.settings.probeClaimInterval_ms;
}

function probeAgainAt_ms(turn: Turn, { outcome, at_ms, retry_ms }: ProbeState): number {
  switch (outcome) {
    case 'asked':
    case 'alive':
      return Infinity;
    case 'unknown':
      return at_ms + retry_ms;
    case 'gone':
      return goodUntil_ms(turn, at_ms);
  }
}

/** What a probe said is acted upon at once or not at all. */
function isFresh(turn: Turn, at_ms: number): boolean {
  return turn.at_ms < goodUntil_ms(turn, at_ms);
}

function goodUntil_ms(turn: Turn, at_ms: number): number {
  return at_ms + turn.settings.sessionTimeout_ms;
}

function hasVouchedApp(turn: Turn): boolean {
  return eachApp(turn).some(([, app]) => isVouchedFor(app));
}

function hasAppInSync(turn: Turn): boolean {
  return eachApp(turn).some(([, app]) => app.condition === 'in-sync');
}
