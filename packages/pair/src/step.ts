// The role machine: what a node does about each thing that happens to it. Pure and total; control carries the effects out.
import * as apps from './apps.ts';
import * as claiming from './claiming.ts';
import * as epochs from './epochs.ts';
import * as handover from './handover.ts';
import type { PairEvent, PairSettings, PairState, Step } from './protocol.ts';
import { beginTurn, changeRole, eachApp, isSettled, otherActive, type Turn } from './turn.ts';
import { ProtocolViolation } from './violation.ts';

/**
 * @throws ProtocolViolation when the event cannot happen in this state: two holders of one epoch, an answer to
 * nothing that was asked. To go on would risk publishing something wrong; the process should end.
 */
export function step(state: PairState, event: PairEvent, settings: PairSettings): Step {
  // A stopped node has left; what still arrives concerns nobody.
  if (state.role === 'stopped') return { state, effects: [] };
  const turn = beginTurn(state, event.at_ms, settings);
  try {
    record(turn, event);
    settle(turn);
  } catch (cause) {
    if (!(cause instanceof ProtocolViolation)) throw cause;
    const seen = `event ${JSON.stringify(event)} in state ${JSON.stringify(state)}`;
    throw new ProtocolViolation(`${cause.message}; ${seen}`, { cause });
  }
  return { state: turn.pair, effects: turn.effects };
}

/** The fact itself, and what follows from it alone. */
function record(turn: Turn, event: PairEvent): void {
  const { pair } = turn;
  switch (event.type) {
    case 'view-changed':
      epochs.onView(turn, event.view);
      return;
    case 'coordinator-lost':
      pair.coordinator = 'lost';
      return;
    case 'coordinator-back':
      pair.coordinator = 'reachable';
      return;
    case 'link-opened':
      claiming.onLinkOpened(turn, event);
      return;
    case 'link-closed':
      claiming.onLinkClosed(turn, event);
      return;
    case 'probe-answered':
      claiming.onProbeAnswered(turn, event);
      return;
    case 'claim-won':
      epochs.onClaimWon(turn, event.epoch);
      return;
    case 'claim-lost':
      epochs.onClaimLost(turn, event.view);
      return;
    case 'claim-unknown':
      epochs.onClaimUnknown(turn);
      return;
    case 'app-described':
      apps.onAppDescribed(turn, event);
      return;
    case 'app-restored':
      apps.onAppRestored(turn, event.app);
      return;
    case 'app-unborn':
      apps.onAppUnborn(turn, event.app);
      return;
    case 'app-unavailable':
      apps.onAppUnavailable(turn, event);
      return;
    case 'app-diverged':
      apps.onAppDiverged(turn, event);
      return;
    case 'app-unverified':
      apps.onAppUnverified(turn, event);
      return;
    case 'app-lag':
      apps.onAppLag(turn, event);
      return;
    case 'app-failed':
      apps.onAppFailed(turn, event);
      return;
    case 'verify-please':
      apps.onVerifyPlease(turn, event);
      return;
    case 'verify-answered':
      apps.onVerifyAnswered(turn, event);
      return;
    case 'publisher-live':
      apps.onPublisherLive(turn, event);
      return;
    case 'publisher-superseded':
      apps.onPublisherSuperseded(turn, event);
      return;
    case 'app-stepped-down':
      apps.onAppSteppedDown(turn, event.app);
      return;
    case 'peer-status':
      claiming.onPeerStatus(turn, event);
      return;
    case 'switchover-requested':
      handover.onSwitchoverRequested(turn, event);
      return;
    case 'invited':
      claiming.onInvited(turn, event);
      return;
    case 'stop-requested':
      handover.onStopRequested(turn);
      return;
    case 'tick':
      return;
  }
}

/**
 * What follows from the whole state, whatever the event was. Each of these does nothing unless it is due, so a
 * tick may come at any time. The order matters: leave an epoch before thinking of the next, ask for state before
 * opening what has it, and claim last.
 */
function settle(turn: Turn): void {
  handover.settleSwitchover(turn);
  handover.offerFailedApps(turn);
  handover.finishDemotion(turn);
  if (turn.pair.role === 'stopped') {
    turn.pair.wakeAt_ms = undefined;
    return;
  }
  epochs.readViewWhenInDoubt(turn);
  apps.restoreWhatCanBe(turn);
  apps.openWhatCanBe(turn);
  settleRole(turn);
  claiming.reclaim(turn);
  claiming.claimWhenDue(turn);
  claiming.probeWhenDue(turn);
  turn.pair.wakeAt_ms = nextWake_ms(turn);
}

function settleRole(turn: Turn): void {
  const { pair } = turn;
  const all = eachApp(turn);
  if (pair.role === 'promoting') {
    const isToCome = all.some(
      ([, app]) => !isSettled(app) || app.output === 'opening' || app.output === 'stepping-down',
    );
    if (all.some(([, app]) => app.output === 'live')) changeRole(turn, 'active', 'the first app is live');
    else if (!isToCome) changeRole(turn, 'active', 'there is no app to open');
  }
  const active = otherActive(pair);
  if (pair.role === 'joining' && active !== undefined) changeRole(turn, 'syncing', `${active.node} is active`);
  if (pair.role === 'syncing' && all.every(([, app]) => isSettled(app))) {
    changeRole(turn, 'passive', 'every app is settled');
  }
}

/** The next time at which something becomes due by itself. Times that have passed are due no more. */
function nextWake_ms(turn: Turn): number | undefined {
  const { pair, at_ms } = turn;
  const times_ms = [
    ...eachApp(turn).map(([, app]) => app.retryAt_ms),
    ...claiming.claimTimes_ms(turn),
    pair.readViewAt_ms,
    apps.answerExpectedUntil_ms(turn),
    pair.switchover?.until_ms,
  ];
  const next_ms = Math.min(...times_ms.map((time_ms = 0) => (time_ms > at_ms ? time_ms : Infinity)));
  return next_ms === Infinity ? undefined : next_ms;
}
