// Short words for tests that take the role machine through a few events.
import {
  asEpoch,
  initialState,
  step,
  type Member,
  type PairEffect,
  type PairEvent,
  type PairSettings,
  type PairState,
  type View,
} from '@tandem/pair';

type Timeless<Event> = Event extends PairEvent ? Omit<Event, 'at_ms'> : never;
export type SceneEvent = Timeless<PairEvent>;

export const [self, other, third] = ['a', 'b', 'c'].map((node) => member(node)) as [Member, Member, Member];

export const settings: PairSettings = {
  self,
  sessionTimeout_ms: 1000,
  probeClaimInterval_ms: 5000,
  probeRetry_ms: 20,
  headStart_ms: 50,
  switchoverLimit_ms: 2000,
  liveSync: true,
  stateSyncRetry_ms: 60_000,
  coordinatorRetry_ms: 100,
};

export const app = 'orders';
export const publisher = 'kafka';

function member(node: string): Member {
  return { node, incarnation: `${node}1`, address: `http://${node}` };
}

export function view(epoch: number | undefined, active: Member | undefined): View {
  return { epoch: epoch === undefined ? undefined : asEpoch(epoch), active, members: [self, other, third] };
}

/** A node and the clock that its events happen at. */
export class Scene {
  state: PairState;
  at_ms = 100;
  private readonly settings: PairSettings;

  constructor(apps: readonly string[] = [app], changed: Partial<PairSettings> = {}) {
    this.settings = { ...settings, ...changed };
    this.state = initialState(this.settings, apps);
    for (const name of apps) this.happens({ type: 'app-described', app: name, publishers: [publisher] });
  }

  /** The effects of the last of these events. */
  happens(...events: readonly SceneEvent[]): readonly PairEffect[] {
    let effects: readonly PairEffect[] = [];
    for (const event of events) {
      const result = step(this.state, { ...event, at_ms: this.at_ms }, this.settings);
      this.state = result.state;
      effects = result.effects;
    }
    return effects;
  }

  /** Ticks whenever the machine wants to be woken, until the time has passed; all effects. */
  passes(duration_ms: number): readonly PairEffect[] {
    const until_ms = this.at_ms + duration_ms;
    const effects: PairEffect[] = [];
    for (;;) {
      const { wakeAt_ms } = this.state;
      if (wakeAt_ms === undefined || wakeAt_ms > until_ms) break;
      if (wakeAt_ms <= this.at_ms) throw new Error('it wants to wake in the past');
      this.at_ms = wakeAt_ms;
      effects.push(...this.happens({ type: 'tick' }));
    }
    this.at_ms = until_ms;
    return effects;
  }
}

/** b is active in epoch 1 and linked; our apps are in sync. */
export function passiveScene(apps: readonly string[] = [app], changed: Partial<PairSettings> = {}): Scene {
  const scene = new Scene(apps, changed);
  scene.happens({ type: 'view-changed', view: view(1, other) });
  for (const name of apps) {
    scene.happens({ type: 'app-restored', app: name }, { type: 'app-lag', app: name, inSync: true });
  }
  scene.happens({ type: 'link-opened', peer: other.incarnation, epoch: asEpoch(1) });
  return scene;
}

/** We are active in epoch 2 with every app live; c is linked and in sync. */
export function activeScene(apps: readonly string[] = [app], changed: Partial<PairSettings> = {}): Scene {
  const scene = passiveScene(apps, changed);
  scene.happens(
    { type: 'link-closed', peer: other.incarnation, how: 'closed' },
    { type: 'probe-answered', peer: other.incarnation, outcome: 'gone' },
    { type: 'claim-won', epoch: asEpoch(2) },
  );
  for (const name of apps) scene.happens({ type: 'publisher-live', app: name, publisher, epoch: asEpoch(2) });
  scene.happens(
    { type: 'link-opened', peer: third.incarnation, epoch: asEpoch(2) },
    { type: 'peer-status', peer: third.incarnation, inSyncApps: apps },
  );
  return scene;
}

export function types(effects: readonly PairEffect[]): string[] {
  return effects.map((effect) => effect.type);
}

/** The effects of this type. */
export function only<Type extends PairEffect['type']>(effects: readonly PairEffect[], type: Type) {
  return effects.filter((effect): effect is Extract<PairEffect, { type: Type }> => effect.type === type);
}

/** The link to b. */
export const linkClosed: SceneEvent = { type: 'link-closed', peer: other.incarnation, how: 'closed' };
export const isGone: SceneEvent = { type: 'probe-answered', peer: other.incarnation, outcome: 'gone' };
/** b is not active any more, and nobody else is. */
export const vacant: SceneEvent = { type: 'view-changed', view: view(1, undefined) };

export function verifyPlease(epoch: number, storedEpoch: number | undefined, lane = 0): SceneEvent {
  const stored = storedEpoch === undefined ? undefined : asEpoch(storedEpoch);
  return { type: 'verify-please', app, publisher, lane, epoch: asEpoch(epoch), storedEpoch: stored };
}

export function verifyAnswered(
  epoch: number,
  outcome: 'current' | 'superseded' | 'unanswered',
  storedEpoch?: number,
): SceneEvent {
  const stored = storedEpoch === undefined ? undefined : asEpoch(storedEpoch);
  return { type: 'verify-answered', app, publisher, lane: 0, epoch: asEpoch(epoch), storedEpoch: stored, outcome };
}

/** How switchover requests were answered. */
export function answers(effects: readonly PairEffect[]): readonly string[] {
  return only(effects, 'answer-switchover').map(({ outcome, detail }) => `${outcome}: ${detail}`);
}
