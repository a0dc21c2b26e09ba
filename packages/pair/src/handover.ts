// Leaving an epoch: because somebody newer holds one, because a successor was invited, or because the node is stopping.
import type { PairEvent } from './protocol.ts';
import { changeApp, changeRole, eachApp, epochOf, isSettled, otherActive, type Turn } from './turn.ts';
import type { Incarnation } from './vocabulary.ts';

type Event<Type extends PairEvent['type']> = Extract<PairEvent, { type: Type }>;

/** Closes every publisher of the epoch. State is kept: it is right whoever publishes. */
export function demote(turn: Turn, why: string): void {
  const { pair } = turn;
  pair.givenUp = pair.held;
  pair.held = undefined;
  pair.verifications = {};
  changeRole(turn, 'demoting', why);
  for (const [name, { output }] of eachApp(turn)) {
    if (output !== 'opening' && output !== 'live') continue;
    changeApp(turn, name, { output: 'stepping-down', livePublishers: [] });
    turn.effects.push({ type: 'step-down', app: name });
  }
}

/** Once every publisher is closed: back to the ranks, or out. */
export function finishDemotion(turn: Turn): void {
  const { pair } = turn;
  if (pair.role !== 'demoting' || eachApp(turn).some(([, app]) => app.output === 'stepping-down')) return;
  if (pair.stopping) {
    stop(turn, 'every publisher is closed');
    return;
  }
  const { givenUp, view } = pair;
  if (givenUp !== undefined && view?.epoch === givenUp && view.active?.incarnation === pair.self.incarnation) {
    // Nobody newer is known, and while the entry is ours nobody else can tell that this node does not publish.
    turn.effects.push({ type: 'resign', epoch: givenUp });
    pair.claimNotBefore_ms = turn.at_ms + turn.settings.coordinatorRetry_ms;
  }
  const settled = eachApp(turn).every(([, app]) => isSettled(app));
  changeRole(turn, settled ? 'passive' : 'syncing', 'every publisher is closed');
}

export function onStopRequested(turn: Turn): void {
  const { pair } = turn;
  pair.stopping = true;
  if (pair.role === 'demoting') return;
  if (pair.role !== 'active' && pair.role !== 'promoting') {
    stop(turn, 'it was asked to stop');
    return;
  }
  // An invitation that is under way already serves this purpose too.
  if (pair.switchover !== undefined) return;
  const peer = successor(turn);
  if (typeof peer === 'string') demote(turn, `it was asked to stop, with no successor: ${peer}`);
  else invite(turn, peer.incarnation, undefined);
}

export function onSwitchoverRequested(turn: Turn, event: Event<'switchover-requested'>): void {
  const { pair } = turn;
  const refuse = (detail: string): void => {
    turn.effects.push({ type: 'answer-switchover', request: event.request, outcome: 'refused', detail });
  };
  if (pair.stopping) refuse('the node is stopping');
  else if (pair.switchover !== undefined) refuse('a switchover is under way already');
  else {
    const peer = successor(turn);
    if (typeof peer === 'string') refuse(peer);
    else invite(turn, peer.incarnation, event.request);
  }
}

/** An app that failed here for good is offered to a peer that has it, once, unless others would suffer (S10). */
export function offerFailedApps(turn: Turn): void {
  const { pair } = turn;
  if (pair.switchover !== undefined) return;
  const failed = eachApp(turn).filter(([name, app]) => app.handOver && pair.peerInSync.includes(name));
  if (failed.length === 0) return;
  const peer = successor(turn);
  if (typeof peer === 'string') return;
  for (const [name] of failed) changeApp(turn, name, { handOver: false });
  invite(turn, peer.incarnation, undefined);
}

/** What has become of the invitation: taken, taken by somebody else, or out of time. */
export function settleSwitchover(turn: Turn): void {
  const { pair, at_ms } = turn;
  const { switchover, view } = pair;
  if (switchover === undefined) return;
  const holder = view?.active;
  if (epochOf(view) > switchover.epoch && holder !== undefined) {
    const held = `${holder.node} holds epoch ${epochOf(view)}`;
    if (holder.incarnation === switchover.peer) answer(turn, 'done', held);
    else answer(turn, 'refused', `${held} and was not the one invited`);
  } else if (at_ms >= switchover.until_ms) {
    answer(turn, 'expired', `no claim within ${turn.settings.switchoverLimit_ms} ms; nothing has changed`);
    if (pair.stopping && pair.held !== undefined) demote(turn, 'it was asked to stop, and the successor did not claim');
  }
}

function answer(turn: Turn, outcome: 'done' | 'refused' | 'expired', detail: string): void {
  const request = turn.pair.switchover?.request;
  turn.pair.switchover = undefined;
  if (request !== undefined) turn.effects.push({ type: 'answer-switchover', request, outcome, detail });
}

/** Who could take over every app that is live here; or why nobody can, for people. */
function successor(turn: Turn): { readonly incarnation: Incarnation } | string {
  const { pair } = turn;
  if (pair.role !== 'active') {
    const active = otherActive(pair);
    return active === undefined ? `the node is ${pair.role}, not active` : `the active node is ${active.node}`;
  }
  if (pair.coordinator === 'lost') return 'the coordinator cannot be reached';
  if (pair.link?.open !== true) return 'no passive node is linked';
  const behind = eachApp(turn)
    .filter(([name, app]) => app.output === 'live' && !pair.peerInSync.includes(name))
    .map(([name]) => name);
  if (behind.length > 0) return `the passive node is not in sync: ${behind.join(', ')}`;
  return { incarnation: pair.link.peer };
}

function invite(turn: Turn, peer: Incarnation, request: string | undefined): void {
  const { pair, at_ms, settings } = turn;
  if (pair.held === undefined) return;
  const limit_ms = settings.switchoverLimit_ms;
  pair.switchover = { request, peer, epoch: pair.held, until_ms: at_ms + limit_ms };
  turn.effects.push({ type: 'invite', peer, epoch: pair.held, limit_ms });
}

function stop(turn: Turn, why: string): void {
  const { pair } = turn;
  answer(turn, 'expired', 'the node has stopped');
  changeRole(turn, 'stopped', why);
  if (pair.givenUp !== undefined && epochOf(pair.view) === pair.givenUp) {
    turn.effects.push({ type: 'resign', epoch: pair.givenUp });
  }
  pair.claim = undefined;
  turn.effects.push({ type: 'exit' });
}
