// Each app by itself (S10): getting its state, opening its publishers, verifying the openings.
import type { AppState, PairEvent, VerificationState } from './protocol.ts';
import { demote } from './handover.ts';
import { appOf, changeApp, eachApp, epochOf, isVouchedFor, otherActive, violated, type Turn } from './turn.ts';
import type { AppName, Epoch, PublisherName } from './vocabulary.ts';

type Event<Type extends PairEvent['type']> = Extract<PairEvent, { type: Type }>;

export function onAppDescribed(turn: Turn, event: Event<'app-described'>): void {
  const { condition } = appOf(turn, event.app);
  changeApp(turn, event.app, { described: true, publishers: event.publishers });
  // New lanes are empty, whatever the old ones knew.
  if (condition === 'restoring') return;
  changeApp(turn, event.app, { condition: 'loading', output: 'closed', livePublishers: [], handOver: false });
}

export function onAppRestored(turn: Turn, app: AppName): void {
  const { condition } = appOf(turn, app);
  // The lane that this is about has failed since.
  if (condition === 'failed' || condition === 'loading') return;
  if (condition !== 'restoring') violated(`the state of '${app}' was put in place without being asked for`);
  changeApp(turn, app, { condition: 'replaying', retryAt_ms: undefined, reason: undefined, diverged: false });
}

/**
 * S8: what is not as on the active is not vouched for any more, and is asked for anew. Whoever holds the epoch is what
 * others are measured by. The second time in a row the cause is in the app, most likely: it would diverge for ever.
 */
export function onAppDiverged(turn: Turn, event: Event<'app-diverged'>): void {
  const { pair, at_ms, settings } = turn;
  const app = appOf(turn, event.app);
  if (pair.held !== undefined || !isVouchedFor(app)) return;
  const isAgain = app.divergedAt_ms !== undefined && at_ms < app.divergedAt_ms + settings.stateSyncRetry_ms;
  changeApp(turn, event.app, {
    condition: 'inactive',
    diverged: true,
    divergedAt_ms: at_ms,
    retryAt_ms: isAgain ? at_ms + settings.stateSyncRetry_ms : at_ms,
    reason: event.reason,
  });
}

/** Nothing is known against it, so it is only asked for anew where there is somebody to ask. */
export function onAppUnverified(turn: Turn, event: Event<'app-unverified'>): void {
  const { pair, at_ms } = turn;
  if (pair.held !== undefined || otherActive(pair) === undefined || !isVouchedFor(appOf(turn, event.app))) return;
  changeApp(turn, event.app, { condition: 'inactive', retryAt_ms: at_ms, reason: event.reason });
}

export function onAppUnborn(turn: Turn, app: AppName): void {
  if (appOf(turn, app).condition !== 'restoring') return;
  changeApp(turn, app, {
    condition: 'unborn',
    retryAt_ms: turn.at_ms + turn.settings.sessionTimeout_ms,
    reason: 'it has not begun: the active resolves where it starts',
  });
}

export function onAppUnavailable(turn: Turn, event: Event<'app-unavailable'>): void {
  if (appOf(turn, event.app).condition !== 'restoring') return;
  changeApp(turn, event.app, {
    condition: 'inactive',
    retryAt_ms: turn.at_ms + (event.retry_ms ?? turn.settings.stateSyncRetry_ms),
    reason: event.reason,
  });
}

export function onAppLag(turn: Turn, event: Event<'app-lag'>): void {
  if (!isVouchedFor(appOf(turn, event.app))) return;
  changeApp(turn, event.app, { condition: event.inSync ? 'in-sync' : 'replaying' });
}

export function onAppFailed(turn: Turn, event: Event<'app-failed'>): void {
  changeApp(turn, event.app, {
    condition: 'failed',
    output: 'closed',
    described: false,
    livePublishers: [],
    retryAt_ms: undefined,
    reason: event.reason,
    diverged: false,
    handOver: !event.willRestart,
  });
}

/** Promotion, step 3: an opening counts only once the coordinator has confirmed the epoch after it (S2). */
export function onVerifyPlease(turn: Turn, event: Event<'verify-please'>): void {
  if (!isOfThisEpoch(turn, event)) return;
  const { app, publisher, storedEpoch } = event;
  const { livePublishers } = appOf(turn, app);
  // One that was live has been fenced or lost an answer, and opens again.
  changeApp(turn, app, { output: 'opening', livePublishers: livePublishers.filter((name) => name !== publisher) });
  const underWay = turn.pair.verifications[verificationKey(event)];
  if (underWay === undefined) verify(turn, event, 0);
  else setVerification(turn, event, { ...underWay, storedEpoch, openedSince: true });
}

export function onVerifyAnswered(turn: Turn, event: Event<'verify-answered'>): void {
  const { pair, settings } = turn;
  const asked = pair.verifications[verificationKey(event)];
  const { app, publisher, lane, epoch } = event;
  appOf(turn, app);
  if (epoch !== pair.held || asked === undefined) return;
  setVerification(turn, event, undefined);
  if (event.outcome === 'superseded' && pair.claim === undefined) {
    demote(turn, `the coordinator says that epoch ${epoch} is not this node's any more`);
    return;
  }
  if (!isOfThisEpoch(turn, event)) return;
  const question = { app, publisher, lane, epoch, storedEpoch: asked.storedEpoch };
  // What the sink's fence held before was our own epoch: nobody else has opened, so the coordinator need not say it.
  const isOurs = event.outcome === 'unanswered' && asked.storedEpoch === epoch;
  if (asked.openedSince) verify(turn, question, 0);
  else if (event.outcome === 'current' || isOurs) turn.effects.push({ type: 'verified', app, publisher, lane, epoch });
  else {
    // Superseded with a claim under way: the session was lost, and the claim decides.
    const { coordinatorRetry_ms, sessionTimeout_ms } = settings;
    const longest_ms = Math.max(sessionTimeout_ms, coordinatorRetry_ms);
    verify(turn, question, Math.min(Math.max(asked.delay_ms * 2, coordinatorRetry_ms), longest_ms));
  }
}

type Question = Pick<Event<'verify-please'>, 'app' | 'publisher' | 'lane' | 'epoch' | 'storedEpoch'>;

function verify(turn: Turn, question: Question, delay_ms: number): void {
  const { app, publisher, lane, epoch, storedEpoch } = question;
  setVerification(turn, question, { storedEpoch, delay_ms, openedSince: false });
  turn.effects.push({ type: 'verify', app, publisher, lane, epoch, storedEpoch, delay_ms });
}

function setVerification(turn: Turn, of: Question, to: VerificationState | undefined): void {
  const key = verificationKey(of);
  const others = Object.entries(turn.pair.verifications).filter(([other]) => other !== key);
  turn.pair.verifications = Object.fromEntries(to === undefined ? others : [...others, [key, to]]);
}

function verificationKey(of: {
  readonly app: AppName;
  readonly publisher: PublisherName;
  readonly lane: number;
}): string {
  return `${of.app} ${of.publisher} ${of.lane}`;
}

export function onPublisherLive(turn: Turn, event: Event<'publisher-live'>): void {
  if (!isOfThisEpoch(turn, event)) return;
  const { publishers, livePublishers } = appOf(turn, event.app);
  if (!publishers.includes(event.publisher)) violated(`'${event.app}' has no publisher '${event.publisher}'`);
  if (livePublishers.includes(event.publisher)) return;
  const live = [...livePublishers, event.publisher];
  changeApp(turn, event.app, {
    livePublishers: live,
    output: live.length === publishers.length ? 'live' : 'opening',
  });
}

export function onPublisherSuperseded(turn: Turn, event: Event<'publisher-superseded'>): void {
  const { output } = appOf(turn, event.app);
  const epoch = turn.pair.held;
  if (epoch === undefined || output === 'closed') return;
  // It may speak of an opening in an epoch before this one.
  if (event.byEpoch !== undefined && event.byEpoch <= epoch) return;
  demote(
    turn,
    `the fence of '${event.publisher}' holds ${event.byEpoch === undefined ? 'a newer epoch' : `epoch ${event.byEpoch}`}`,
  );
}

export function onAppSteppedDown(turn: Turn, app: AppName): void {
  if (appOf(turn, app).output !== 'stepping-down') return;
  changeApp(turn, app, { output: 'closed', livePublishers: [] });
}

/** A new epoch of ours: whatever is open was opened in an older one. */
export function openAgain(turn: Turn, epoch: Epoch): void {
  for (const [name, { output }] of eachApp(turn)) {
    if (output === 'opening' || output === 'live') open(turn, name, epoch);
  }
}

/** Opens each app that can be vouched for (S8) and whose publishers are closed. None waits for another (S10). */
export function openWhatCanBe(turn: Turn): void {
  const epoch = turn.pair.held;
  if (epoch === undefined) return;
  for (const [name, app] of eachApp(turn)) {
    if (app.output === 'closed' && isVouchedFor(app)) open(turn, name, epoch);
  }
}

function open(turn: Turn, name: AppName, epoch: Epoch): void {
  const isLive = appOf(turn, name).publishers.length === 0;
  changeApp(turn, name, { output: isLive ? 'live' : 'opening', livePublishers: [] });
  turn.effects.push({ type: 'open', app: name, epoch, unfencedFrom_ms: turn.pair.unfencedFrom_ms });
}

/** Asks for the state of each app that has none and whose turn it is. */
export function restoreWhatCanBe(turn: Turn): void {
  const { pair, at_ms } = turn;
  if (pair.view === undefined || pair.stopping) return;
  for (const [name, app] of eachApp(turn)) {
    // A publisher that is still being closed needs the state that it was opened with.
    if (!app.described || app.output !== 'closed') continue;
    const due = at_ms >= (app.retryAt_ms ?? at_ms) || app.askedFrom !== restoreSource(turn);
    if (app.condition === 'loading') restore(turn, name);
    else if (app.condition === 'inactive' && due) restore(turn, name);
    else if (app.condition === 'unborn') bear(turn, name, due);
    else if (app.condition === 'restoring' && isAskedInVain(turn, app)) restore(turn, name);
  }
}

/** Who holds the epoch lets unborn apps begin; everybody else asks again until the active has done so. */
function bear(turn: Turn, name: AppName, due: boolean): void {
  const { askedFrom, askedInEpoch } = appOf(turn, name);
  const epoch = turn.pair.held;
  if (epoch === undefined) {
    if (due && otherActive(turn.pair) !== undefined) restore(turn, name);
    return;
  }
  // Nobody else can have let it begin since the store was asked, when no epoch but ours lies between.
  if (askedFrom !== 'store' || (askedInEpoch ?? 0) < epoch - 1) {
    restore(turn, name);
    return;
  }
  changeApp(turn, name, { condition: 'restoring', askedFrom: 'genesis', retryAt_ms: undefined, reason: undefined });
  turn.effects.push({ type: 'begin-at-genesis', app: name, epoch });
}

function restore(turn: Turn, name: AppName): void {
  const peer = restoreSource(turn) === 'peer' ? otherActive(turn.pair) : undefined;
  changeApp(turn, name, {
    condition: 'restoring',
    askedFrom: peer === undefined ? 'store' : 'peer',
    askedInEpoch: turn.pair.view?.epoch,
    retryAt_ms: undefined,
  });
  turn.effects.push({
    type: 'restore',
    app: name,
    from: peer === undefined ? { kind: 'store' } : { kind: 'peer', peer },
  });
}

/** A peer that is not active any more and has not been linked for a while may never answer. */
function isAskedInVain(turn: Turn, { askedFrom }: AppState): boolean {
  return askedFrom === 'peer' && restoreSource(turn) === 'store' && turn.at_ms >= answerExpectedUntil_ms(turn);
}

/** An answer that came with the link's last moments may still be on its way through the lanes. */
export function answerExpectedUntil_ms({ pair, settings }: Turn): number {
  if (pair.link?.open === true) return Infinity;
  return (pair.link?.closedAt_ms ?? pair.vacantSince_ms ?? 0) + settings.sessionTimeout_ms;
}

/** The active, where there is one to ask; otherwise the store. */
function restoreSource(turn: Turn): 'peer' | 'store' {
  const { pair, settings } = turn;
  return settings.liveSync && pair.held === undefined && otherActive(pair) !== undefined ? 'peer' : 'store';
}

/** Messages of older epochs are left alone: what they speak of has been opened again, or closed, since. */
function isOfThisEpoch(turn: Turn, event: { readonly app: AppName; readonly epoch: Epoch }): boolean {
  const { output } = appOf(turn, event.app);
  if (event.epoch > epochOf(turn.pair.view)) violated(`epoch ${event.epoch} was never held by anybody`);
  return event.epoch === turn.pair.held && (output === 'opening' || output === 'live');
}
