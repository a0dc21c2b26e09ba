// Each app by itself: its state, its publishers, and words that come too late to mean anything.
import { asEpoch, ProtocolViolation, step, type AppState, type PairSettings } from '@tandem/pair';
import {
  activeScene,
  app,
  isGone,
  linkClosed,
  only,
  other,
  passiveScene,
  publisher,
  Scene,
  self,
  settings,
  third,
  types,
  vacant,
  verifyAnswered,
  verifyPlease,
  view,
  type SceneEvent,
} from './scene.ts';

const described: SceneEvent = { type: 'app-described', app, publishers: [publisher] };
const restored: SceneEvent = { type: 'app-restored', app };
const unborn: SceneEvent = { type: 'app-unborn', app };
const unavailable: SceneEvent = { type: 'app-unavailable', app, reason: 'nobody has it' };
const diverged: SceneEvent = { type: 'app-diverged', app, reason: 'other totals' };
const caughtUp: SceneEvent = { type: 'app-lag', app, inSync: true };
const failed: SceneEvent = { type: 'app-failed', app, reason: 'it threw', willRestart: true };
const failedForGood: SceneEvent = { type: 'app-failed', app, reason: 'it threw', willRestart: false };
const otherActive: SceneEvent = { type: 'view-changed', view: view(1, other) };
const ownSessionLost: SceneEvent = { type: 'view-changed', view: view(2, undefined) };
const fencedBy3: SceneEvent = { type: 'publisher-superseded', app, publisher, byEpoch: asEpoch(3) };
const fromPeer = { type: 'restore', app, from: { kind: 'peer', peer: other } };
const fromStore = { type: 'restore', app, from: { kind: 'store' } };

function live(of: string, epoch = 2): SceneEvent {
  return { type: 'publisher-live', app, publisher: of, epoch: asEpoch(epoch) };
}

function stateOf(scene: Scene): AppState | undefined {
  return scene.state.apps[app];
}

/** Nothing happens, and nothing is remembered. */
function expectNothing(scene: Scene, ...events: readonly SceneEvent[]): void {
  for (const event of events) {
    const before = scene.state;
    expect(scene.happens(event)).toEqual([]);
    expect(scene.state).toEqual(before);
  }
}

/** Epoch 2 is held; the app has these publishers, none is live yet. */
function promotingScene(publishers: readonly string[] = [publisher]): Scene {
  const scene = new Scene();
  scene.happens({ type: 'app-described', app, publishers }, otherActive, restored, caughtUp);
  scene.happens({ type: 'link-opened', peer: other.incarnation, epoch: asEpoch(1) }, linkClosed, isGone);
  scene.happens({ type: 'claim-won', epoch: asEpoch(2) });
  return scene;
}

describe('the state of an app', () => {
  it('is not asked for before its lanes are up, nor before there is a view', () => {
    const scene = new Scene();
    scene.happens(failed);
    expect(scene.happens(otherActive)).not.toContainEqual(fromPeer);
    expect(scene.happens(described)).toContainEqual(fromPeer);
    expect(new Scene().happens({ type: 'tick' })).toEqual([]);
  });

  it('is asked for once: lanes that come up meanwhile wait for the same answer', () => {
    const scene = new Scene();
    expect(scene.happens(otherActive)).toContainEqual(fromPeer);
    expect(scene.happens(described)).toEqual([]);
    expect(stateOf(scene)).toMatchObject({ condition: 'restoring', askedFrom: 'peer', askedInEpoch: 1 });
  });

  it('is asked for anew by lanes that came up anew, whatever the old ones knew', () => {
    const scene = activeScene();
    expect(scene.happens(described)).toEqual([fromStore]);
    expect(stateOf(scene)).toMatchObject({ condition: 'restoring', output: 'closed', livePublishers: [] });
  });

  it('is not asked for while the node is stopping', () => {
    const scene = activeScene();
    scene.happens({ type: 'stop-requested' }, failed);
    expect(scene.happens(described)).toEqual([]);
  });

  it('is of no use to lanes that have failed since it was asked for', () => {
    const scene = new Scene();
    scene.happens(otherActive, failed);
    expectNothing(scene, restored, unborn, unavailable, caughtUp, diverged);
    expect(stateOf(scene)).toMatchObject({ condition: 'failed', reason: 'it threw', described: false });
    const loading = new Scene();
    expectNothing(loading, restored);
  });

  it('cannot be put in place without being asked for, nor can there be one of an app that there is not', () => {
    expect(() => passiveScene().happens(restored)).toThrow(
      /^the state of 'orders' was put in place without being asked for; event/,
    );
    for (const event of [restored, unborn, failed, verifyAnswered(1, 'current')]) {
      expect(() => new Scene(['alerts']).happens(event)).toThrow(/^there is no app 'orders' on this node; event/);
    }
  });

  it('says why there is none, until there is', () => {
    const scene = new Scene();
    scene.happens(otherActive, unborn);
    expect(stateOf(scene)).toMatchObject({
      condition: 'unborn',
      reason: 'it has not begun: the active resolves where it starts',
    });
    scene.passes(1000);
    scene.happens(restored);
    expect(stateOf(scene)).toMatchObject({ condition: 'replaying', reason: undefined, retryAt_ms: undefined });
  });

  it('is right or wrong only once it is in place', () => {
    const scene = new Scene();
    scene.happens(otherActive, unavailable);
    expectNothing(scene, caughtUp, diverged, { type: 'app-unverified', app, reason: 'nothing to compare' });
    expectNothing(passiveScene(), unborn, unavailable);
  });

  it('that falls behind is still vouched for', () => {
    const scene = passiveScene();
    scene.happens({ type: 'app-lag', app, inSync: false });
    expect(stateOf(scene)?.condition).toBe('replaying');
    scene.happens(caughtUp);
    expect(stateOf(scene)?.condition).toBe('in-sync');
  });

  it('that diverges after the retry time is asked for at once', () => {
    const scene = passiveScene();
    scene.happens(diverged, restored);
    scene.passes(59_999);
    expect(scene.happens(diverged)).toEqual([]);
    const later = passiveScene();
    later.happens(diverged, restored);
    later.passes(60_000);
    expect(later.happens(diverged)).toEqual([fromPeer]);
  });

  it('counts as diverged until it is replaced, also where its lanes fail', () => {
    const scene = passiveScene();
    scene.happens(diverged);
    expect(stateOf(scene)?.diverged).toBe(true);
    scene.happens(failed);
    expect(stateOf(scene)).toMatchObject({ diverged: false, retryAt_ms: undefined });
  });

  it('is asked of whoever became active meanwhile, without waiting', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(1, undefined) }, unavailable);
    expect(scene.happens({ type: 'view-changed', view: view(2, third) })).toContainEqual({
      type: 'restore',
      app,
      from: { kind: 'peer', peer: third },
    });
  });

  it('is waited for while the link to the peer is up', () => {
    const scene = new Scene();
    scene.happens(otherActive, { type: 'link-opened', peer: other.incarnation, epoch: asEpoch(1) }, vacant);
    expect(scene.passes(20_000)).toEqual([]);
  });

  it('is waited for one session time-out after the active has left, where there never was a link', () => {
    const scene = new Scene();
    scene.happens(otherActive);
    scene.passes(500);
    expect(scene.happens(vacant)).toEqual([]);
    expect(scene.passes(999)).toEqual([]);
    expect(scene.passes(1)).toEqual([fromStore]);
  });

  it('is not asked for again while an active that cannot be reached has not answered', () => {
    const scene = new Scene();
    scene.happens(otherActive);
    expect(scene.passes(5000)).toEqual([]);
  });

  it('is judged by nobody, and taken from the store, as long as this node holds its epoch', () => {
    const scene = activeScene([app, 'alerts']);
    // Whether the epoch is still held, the answer to its own claim says.
    scene.happens(ownSessionLost, { type: 'view-changed', view: view(3, third) });
    expectNothing(scene, { type: 'app-unverified', app, reason: 'nothing to compare' }, diverged);
    scene.happens(failed);
    expect(scene.happens(described)).toEqual([fromStore]);
  });

  it('of an app that nobody has begun is asked for only where somebody is active', () => {
    const scene = new Scene([app, 'alerts']);
    scene.happens({ type: 'view-changed', view: view(1, undefined) }, { type: 'coordinator-lost' }, unborn);
    expect(only(scene.passes(5000), 'restore')).toEqual([]);
  });

  it('begins at genesis where nobody else can have let it begin', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(undefined, undefined) }, unborn);
    scene.passes(50);
    expect(scene.happens({ type: 'claim-won', epoch: asEpoch(1) })).toMatchObject([
      { type: 'role-changed', to: 'promoting' },
      { type: 'begin-at-genesis', app, epoch: 1 },
    ]);
    expect(stateOf(scene)).toMatchObject({
      condition: 'restoring',
      askedFrom: 'genesis',
      retryAt_ms: undefined,
      reason: undefined,
    });
    expect(scene.happens({ type: 'tick' })).toEqual([]);
  });

  it('is asked of the store once more where an epoch lies between', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(1, undefined) }, unborn);
    scene.passes(50);
    const afterOne = scene.state;
    expect(types(scene.happens({ type: 'claim-won', epoch: asEpoch(2) }))).toContain('begin-at-genesis');
    scene.state = afterOne;
    scene.happens({ type: 'claim-unknown' });
    expect(scene.happens({ type: 'view-changed', view: view(3, self) })).toContainEqual(fromStore);
    expect(types(scene.happens(unborn))).toEqual(['begin-at-genesis']);
  });
});

describe('the publishers of an app', () => {
  it('are live together', () => {
    const scene = promotingScene([publisher, 'http']);
    expect(scene.happens(live(publisher))).toEqual([]);
    expect(stateOf(scene)).toMatchObject({ output: 'opening', livePublishers: [publisher] });
    expectNothing(scene, live(publisher));
    expect(types(scene.happens(live('http')))).toEqual(['role-changed']);
    expect(stateOf(scene)).toMatchObject({ output: 'live', livePublishers: [publisher, 'http'] });
  });

  it('open again one by one', () => {
    const scene = promotingScene([publisher, 'http']);
    scene.happens(live(publisher), live('http'));
    expect(types(scene.happens(verifyPlease(2, 2)))).toEqual(['verify']);
    expect(stateOf(scene)).toMatchObject({ output: 'opening', livePublishers: ['http'] });
    scene.happens(live(publisher));
    expect(stateOf(scene)?.output).toBe('live');
  });

  it('are live at once where there are none', () => {
    expect(stateOf(promotingScene([]))).toMatchObject({ output: 'live', livePublishers: [] });
    expect(promotingScene([]).state.role).toBe('active');
  });

  it('have the names that the app was described with', () => {
    expect(() => promotingScene().happens(live('http'))).toThrow(/^'orders' has no publisher 'http'; event/);
  });

  it('are opened again in a new epoch of this node, those of apps that are open', () => {
    const scene = activeScene([app, 'alerts', 'bills']);
    scene.happens(
      { type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true },
      { type: 'verify-please', app: 'bills', publisher, lane: 0, epoch: asEpoch(2), storedEpoch: undefined },
      ownSessionLost,
    );
    const won = scene.happens({ type: 'claim-won', epoch: asEpoch(3) });
    expect(only(won, 'open').map((open) => [open.app, open.epoch])).toEqual([[app, 3], ['bills', 3]]); // prettier-ignore
    expect(stateOf(scene)).toMatchObject({ output: 'opening', livePublishers: [] });
  });

  it('say nothing that counts of an older epoch', () => {
    const scene = activeScene();
    scene.happens(ownSessionLost, { type: 'claim-won', epoch: asEpoch(3) });
    expectNothing(scene, live(publisher, 2), verifyPlease(2, 1), verifyAnswered(2, 'superseded', 1));
  });

  it('cannot speak of an epoch that nobody has held', () => {
    for (const event of [live(publisher, 9), verifyPlease(9, 2)]) {
      expect(() => activeScene().happens(event)).toThrow(/^epoch 9 was never held by anybody; event/);
    }
  });

  it('of an app that is closed say nothing that counts', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens(failed);
    expect(stateOf(scene)).toMatchObject({ output: 'closed', livePublishers: [] });
    expectNothing(scene, live(publisher), verifyPlease(2, 2), fencedBy3);
  });

  it('make this node leave when a newer epoch has fenced them, known or not', () => {
    const why = (event: SceneEvent) => only(activeScene().happens(event), 'role-changed').map((change) => change.why);
    expect(why(fencedBy3)).toEqual(["the fence of 'kafka' holds epoch 3"]);
    expect(why({ type: 'publisher-superseded', app, publisher, byEpoch: undefined })).toEqual([
      "the fence of 'kafka' holds a newer epoch",
    ]);
  });

  it('do not make it leave when it was this epoch or an older one that fenced them', () => {
    for (const byEpoch of [1, 2]) {
      expectNothing(activeScene(), { type: 'publisher-superseded', app, publisher, byEpoch: asEpoch(byEpoch) });
    }
  });
});

describe('a verification', () => {
  it('is asked for each lane and publisher by itself', () => {
    const scene = promotingScene([publisher, 'http']);
    const asked = [
      verifyPlease(2, 1, 0),
      verifyPlease(2, 1, 1),
      { ...verifyPlease(2, 1, 0), publisher: 'http' },
    ] as const;
    for (const event of asked) {
      expect(only(scene.happens(event), 'verify')).toMatchObject([{ epoch: 2, storedEpoch: 1, delay_ms: 0 }]);
    }
    expect(scene.happens(verifyAnswered(2, 'current', 1))).toEqual([
      { type: 'verified', app, publisher, lane: 0, epoch: 2 },
    ]);
    expectNothing(scene, verifyAnswered(2, 'current', 1));
    expect(Object.keys(scene.state.verifications)).toHaveLength(2);
    expect(only(scene.happens({ ...verifyPlease(2, 1, 1) }), 'verify')).toEqual([]);
  });

  it('of an older epoch says nothing about one that is under way', () => {
    const scene = activeScene();
    scene.happens(verifyPlease(2, 1), ownSessionLost, { type: 'claim-won', epoch: asEpoch(3) }, verifyPlease(3, 2));
    expectNothing(scene, verifyAnswered(2, 'superseded', 1), verifyAnswered(2, 'current', 1));
    expect(types(scene.happens(verifyAnswered(3, 'current', 2)))).toEqual(['verified']);
  });

  it('that nobody answered is repeated, with what the newest opening found', () => {
    const scene = promotingScene();
    scene.happens(verifyPlease(2, 1));
    expect(only(scene.happens(verifyAnswered(2, 'unanswered', 1)), 'verify')).toEqual([
      { type: 'verify', app, publisher, lane: 0, epoch: 2, storedEpoch: 1, delay_ms: 100 },
    ]);
  });

  it('is repeated no more seldom than the coordinator is asked at all', () => {
    const scene = new Scene([app], { coordinatorRetry_ms: 3000 });
    scene.happens(otherActive, restored, caughtUp, vacant);
    scene.happens({ type: 'claim-won', epoch: asEpoch(2) }, verifyPlease(2, 1));
    for (let times = 0; times < 2; times++) {
      expect(only(scene.happens(verifyAnswered(2, 'unanswered', 1)), 'verify')).toMatchObject([{ delay_ms: 3000 }]);
    }
  });

  it('that says "superseded" makes this node leave, and says so', () => {
    const scene = promotingScene();
    scene.happens(verifyPlease(2, 1));
    expect(only(scene.happens(verifyAnswered(2, 'superseded', 1)), 'role-changed')).toMatchObject([
      { to: 'demoting', why: "the coordinator says that epoch 2 is not this node's any more" },
    ]);
  });

  it('of an app that has closed since has no one to tell, unless the epoch is over', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens(verifyPlease(2, 1), failed);
    const before = scene.state;
    expect(scene.happens(verifyAnswered(2, 'current', 1))).toEqual([]);
    expect(scene.state).toEqual({ ...before, verifications: {} });
    scene.state = before;
    expect(types(scene.happens(verifyAnswered(2, 'superseded', 1)))).toContain('step-down');
  });
});

describe('a promotion', () => {
  it('is over without an app that is live only when none is to come', () => {
    const scene = passiveScene([app, 'alerts']);
    scene.happens({ type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true });
    scene.happens({ type: 'app-described', app: 'alerts', publishers: [publisher] }, linkClosed, isGone);
    scene.happens({ type: 'claim-won', epoch: asEpoch(2) });
    scene.happens(failedForGood);
    expect(scene.state.role).toBe('promoting');
    expect(
      only(scene.happens({ type: 'app-failed', app: 'alerts', reason: 'x', willRestart: false }), 'role-changed'),
    ).toMatchObject([{ to: 'active', why: 'there is no app to open' }]);
  });

  it('waits for publishers that are still being closed, and opens them again', () => {
    const scene = activeScene();
    scene.happens(ownSessionLost, fencedBy3);
    scene.happens({ type: 'claim-won', epoch: asEpoch(3) });
    expect(scene.state.role).toBe('promoting');
    expect(only(scene.happens({ type: 'app-stepped-down', app }), 'open')).toMatchObject([{ app, epoch: 3 }]);
  });
});

describe('a step', () => {
  it('does not take a mistake in the code for a violation', () => {
    const broken: PairSettings = {
      ...settings,
      get sessionTimeout_ms(): never {
        throw new TypeError('a mistake');
      },
    };
    expect(() => step(passiveScene().state, { ...vacant, at_ms: 100 }, broken)).toThrow(TypeError);
  });

  it('says what violated the protocol, and keeps the cause', () => {
    let thrown: unknown;
    try {
      passiveScene().happens(restored);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProtocolViolation);
    expect(thrown).toMatchObject({ name: 'ProtocolViolation', cause: { name: 'ProtocolViolation' } });
  });
});
