// The rules of the role machine one by one.
import { asEpoch, type PairEffect } from '@tandem/pair';
import {
  activeScene,
  answers,
  app,
  isGone,
  linkClosed,
  only,
  other,
  passiveScene,
  publisher,
  Scene,
  self,
  third,
  types,
  vacant,
  verifyAnswered,
  verifyPlease,
  view,
  type SceneEvent,
} from './scene.ts';

describe('claiming', () => {
  it('claims at once when the active is gone from the view and the link has closed', () => {
    const scene = passiveScene();
    scene.happens(linkClosed);
    expect(only(scene.happens(vacant), 'claim')).toMatchObject([{ expected: 1, why: 'b is not active any more' }]);
  });

  it('leaves the claim to a linked active that only lost its session, for one session time-out', () => {
    const scene = passiveScene();
    expect(types(scene.happens(vacant))).not.toContain('claim');
    expect(types(scene.passes(999))).not.toContain('claim');
    expect(types(scene.passes(1))).toContain('claim');
  });

  it('probes when the link closes and claims when the process is gone', () => {
    const scene = passiveScene();
    expect(scene.happens(linkClosed)).toEqual([{ type: 'probe', peer: other }]);
    expect(only(scene.happens(isGone), 'claim')).toMatchObject([{ expected: 1 }]);
  });

  it('does not claim when the probe says that the process is alive', () => {
    const scene = passiveScene();
    scene.happens(linkClosed);
    expect(scene.happens({ type: 'probe-answered', peer: other.incarnation, outcome: 'alive' })).toEqual([]);
    expect(types(scene.passes(20_000))).not.toContain('claim');
  });

  it('probes again, ever more seldom, when a probe says nothing: a process may be just about to end', () => {
    const scene = passiveScene();
    const saysNothing: SceneEvent = { type: 'probe-answered', peer: other.incarnation, outcome: 'unknown' };
    scene.happens(linkClosed);
    for (const pause_ms of [20, 40, 80, 160, 320, 640, 1000, 1000]) {
      expect(scene.happens(saysNothing)).toEqual([]);
      expect(scene.passes(pause_ms - 1)).toEqual([]);
      expect(types(scene.passes(1))).toEqual(['probe']);
    }
    expect(types(scene.happens(isGone))).toEqual(['claim']);
  });

  it('probes again when a newer of two links to the active closes', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, { type: 'probe-answered', peer: other.incarnation, outcome: 'alive' });
    expect(types(scene.happens(linkClosed))).toEqual(['probe']);
    expect(types(scene.happens(isGone))).toEqual(['claim']);
  });

  it('does not probe an active that it was not linked to in this epoch', () => {
    const scene = passiveScene();
    scene.happens({ type: 'view-changed', view: view(2, third) });
    expect(scene.happens(linkClosed)).toEqual([]);
  });

  it('keeps a link that outlives a new epoch of the same active', () => {
    const scene = passiveScene();
    scene.happens({ type: 'view-changed', view: view(2, other) });
    expect(types(scene.happens(linkClosed))).toEqual(['probe']);
  });

  it('claims on the strength of a probe once in an interval', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, isGone, { type: 'claim-lost', view: view(2, other) });
    scene.happens({ type: 'link-opened', peer: other.incarnation, epoch: asEpoch(2) });
    expect(scene.happens(linkClosed)).toEqual([]);
    expect(types(scene.passes(4999))).toEqual([]);
    expect(types(scene.passes(1))).toEqual(['probe']);
    expect(types(scene.happens(isGone))).toEqual(['claim']);
  });

  it('gives better candidates a head start when none of its apps is in sync', () => {
    const scene = passiveScene();
    scene.happens({ type: 'app-lag', app, inSync: false }, linkClosed);
    expect(scene.happens(vacant)).toEqual([]);
    expect(types(scene.passes(50))).toContain('claim');
  });

  it('does not use the head start when somebody else has claimed meanwhile', () => {
    const scene = passiveScene();
    scene.happens({ type: 'app-lag', app, inSync: false }, linkClosed, vacant);
    scene.happens({ type: 'view-changed', view: view(2, third) });
    expect(types(scene.passes(1000))).not.toContain('claim');
  });

  it('claims when it is invited, in this epoch and within the limit', () => {
    const invited: SceneEvent = { type: 'invited', by: other.incarnation, epoch: asEpoch(1), limit_ms: 100 };
    expect(only(passiveScene().happens(invited), 'claim')).toMatchObject([{ expected: 1, why: 'b hands over' }]);
    expect(passiveScene().happens({ ...invited, by: third.incarnation })).toEqual([]);
    const late = passiveScene();
    late.happens({ type: 'coordinator-lost' }, invited);
    late.passes(100);
    expect(late.happens({ type: 'coordinator-back' })).toEqual([]);
  });

  it('needs one app that can be vouched for', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(1, other) });
    scene.happens({ type: 'app-unavailable', app, reason: 'no' }, vacant);
    expect(types(scene.passes(1000))).not.toContain('claim');
    expect(types(scene.happens({ type: 'app-restored', app }))).not.toContain('claim');
    expect(types(scene.passes(50))).toContain('claim');
  });

  it('does not claim while the coordinator is lost', () => {
    const scene = passiveScene();
    scene.happens({ type: 'coordinator-lost' }, linkClosed);
    expect(scene.happens(isGone)).toEqual([]);
    expect(types(scene.happens({ type: 'coordinator-back' }))).toContain('claim');
  });

  it('takes an unknown claim for won when the view shows it, and tries again when it does not', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, vacant);
    expect(types(scene.happens({ type: 'claim-unknown' }))).toEqual(['read-view']);
    expect(types(scene.passes(1000))).toEqual(['read-view']);
    scene.happens(vacant);
    expect(types(scene.passes(100))).toEqual(['claim']);
    scene.happens({ type: 'claim-unknown' });
    expect(types(scene.happens({ type: 'view-changed', view: view(2, self) }))).toEqual(['role-changed', 'open']);
    expect(scene.state.held).toBe(2);
  });

  it('recognises a claim that took place after it was thought to be lost', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, vacant, { type: 'claim-unknown' }, vacant);
    expect(types(scene.happens({ type: 'view-changed', view: view(2, self) }))).toContain('open');
  });

  it('loses an epoch at once that was claimed over before the answer came', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, vacant, { type: 'view-changed', view: view(3, third) });
    expect(types(scene.happens({ type: 'claim-won', epoch: asEpoch(2) }))).toEqual([]);
    expect(scene.state).toMatchObject({ role: 'passive', held: undefined });
  });
});

describe('getting state', () => {
  it('asks the store at once when the peer has nothing and nobody is active any more', () => {
    const scene = new Scene();
    expect(only(scene.happens({ type: 'view-changed', view: view(1, other) }), 'restore')).toEqual([
      { type: 'restore', app, from: { kind: 'peer', peer: other } },
    ]);
    scene.happens({ type: 'link-opened', peer: other.incarnation, epoch: asEpoch(1) }, vacant);
    expect(scene.happens({ type: 'app-unavailable', app, reason: 'gone' })).toContainEqual({
      type: 'restore',
      app,
      from: { kind: 'store' },
    });
  });

  it('does not wait for a peer that is neither active nor linked any more', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(1, other) });
    scene.happens({ type: 'link-opened', peer: other.incarnation, epoch: asEpoch(1) });
    expect(scene.happens(vacant)).toEqual([]);
    expect(scene.happens(linkClosed)).toEqual([]);
    expect(scene.passes(1000)).toEqual([{ type: 'restore', app, from: { kind: 'store' } }]);
  });

  it('says why an app is inactive and tries it again after the retry time', () => {
    const scene = new Scene();
    scene.happens(
      { type: 'view-changed', view: view(1, other) },
      { type: 'app-unavailable', app, reason: 'no snapshot' },
    );
    expect(scene.state.apps[app]).toMatchObject({ condition: 'inactive', reason: 'no snapshot' });
    expect(scene.state.role).toBe('passive');
    expect(types(scene.passes(59_999))).toEqual([]);
    expect(types(scene.passes(1))).toEqual(['restore']);
  });

  it('tries it again as soon as it is told', () => {
    const scene = new Scene();
    const unavailable: SceneEvent = { type: 'app-unavailable', app, reason: 'it broke off', retry_ms: 100 };
    scene.happens({ type: 'view-changed', view: view(1, other) }, unavailable);
    expect(types(scene.passes(99))).toEqual([]);
    expect(types(scene.passes(1))).toEqual(['restore']);
  });

  it('takes the store when live sync is off', () => {
    const scene = new Scene([app], { liveSync: false });
    expect(only(scene.happens({ type: 'view-changed', view: view(1, other) }), 'restore')).toMatchObject([
      { from: { kind: 'store' } },
    ]);
  });

  it('does not ask an earlier run of itself', () => {
    const scene = new Scene();
    const earlier = { ...self, incarnation: 'a0' };
    expect(only(scene.happens({ type: 'view-changed', view: view(1, earlier) }), 'restore')).toMatchObject([
      { from: { kind: 'store' } },
    ]);
    expect(scene.state.role).toBe('joining');
  });

  it('asks again every session time-out for an app that the active has not begun', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(1, other) }, { type: 'app-unborn', app });
    expect(types(scene.passes(1000))).toEqual(['restore']);
  });

  it('asks the store once more before it lets an app begin that another epoch may have begun', () => {
    const scene = new Scene([app, 'alerts']);
    scene.happens({ type: 'view-changed', view: view(1, other) }, { type: 'app-unborn', app });
    scene.happens({ type: 'app-restored', app: 'alerts' }, { type: 'app-lag', app: 'alerts', inSync: true });
    scene.happens({ type: 'view-changed', view: view(1, undefined) });
    const won = scene.happens({ type: 'claim-won', epoch: asEpoch(2) });
    expect(types(won)).toEqual(['role-changed', 'restore', 'open']);
    expect(types(scene.happens({ type: 'app-unborn', app }))).toEqual(['begin-at-genesis']);
  });

  const diverged: SceneEvent = { type: 'app-diverged', app, reason: 'other totals' };

  it('asks the active at once for the state of an app that has diverged', () => {
    const scene = passiveScene();
    expect(scene.happens(diverged)).toEqual([{ type: 'restore', app, from: { kind: 'peer', peer: other } }]);
    expect(scene.state.apps[app]).toMatchObject({ condition: 'restoring', diverged: true, reason: 'other totals' });
    expect(scene.happens(diverged)).toEqual([]);
    scene.happens({ type: 'app-restored', app });
    expect(scene.state.apps[app]).toMatchObject({ condition: 'replaying', diverged: false, reason: undefined });
  });

  it('neither claims nor opens with an app that has diverged, and takes it from the store once it is promoted', () => {
    const scene = passiveScene([app, 'alerts']);
    scene.happens(diverged, linkClosed, isGone);
    const won = scene.happens({ type: 'claim-won', epoch: asEpoch(2) });
    expect(only(won, 'open')).toMatchObject([{ app: 'alerts' }]);
    expect(only(scene.passes(1000), 'restore')).toEqual([{ type: 'restore', app, from: { kind: 'store' } }]);
    expect(only(scene.happens({ type: 'app-restored', app }), 'open')).toMatchObject([{ app }]);
  });

  it('does not claim while its only app has diverged, before the store has given it', () => {
    const scene = passiveScene();
    scene.happens(diverged, linkClosed);
    expect(types(scene.happens(vacant))).not.toContain('claim');
    expect(types(scene.passes(1000))).toEqual(['restore']);
    scene.happens({ type: 'app-restored', app });
    expect(types(scene.passes(50))).toContain('claim');
  });

  it('lets the retry time pass before it asks for an app that has diverged twice within it', () => {
    const scene = passiveScene();
    scene.happens(diverged, { type: 'app-restored', app });
    scene.passes(30_000);
    expect(types(scene.happens(diverged))).toEqual([]);
    expect(scene.state.apps[app]).toMatchObject({ condition: 'inactive', diverged: true });
    expect(types(scene.passes(59_999))).toEqual([]);
    expect(types(scene.passes(1))).toEqual(['restore']);
    scene.happens({ type: 'app-restored', app });
    scene.passes(60_000);
    expect(types(scene.happens(diverged))).toEqual(['restore']);
  });

  it('does not take away the state of a publisher that is still being closed', () => {
    const scene = activeScene();
    scene.happens({ type: 'view-changed', view: view(3, other) });
    expect(scene.state.apps[app]?.output).toBe('stepping-down');
    expect(scene.happens(diverged)).toEqual([]);
    expect(types(scene.happens({ type: 'app-stepped-down', app }))).toContain('restore');
  });

  it('lets nobody judge the state of the one that holds the epoch', () => {
    const scene = activeScene();
    const before = scene.state;
    expect(scene.happens(diverged, { type: 'app-unverified', app, reason: 'nothing to compare' })).toEqual([]);
    expect(scene.state).toEqual(before);
  });

  it('asks once more for an app that could not be compared, if there is an active to ask', () => {
    const unverified: SceneEvent = { type: 'app-unverified', app, reason: 'nothing to compare' };
    const scene = passiveScene();
    expect(scene.happens(unverified)).toEqual([{ type: 'restore', app, from: { kind: 'peer', peer: other } }]);
    expect(scene.state.apps[app]?.diverged).toBe(false);
    const alone = passiveScene();
    alone.happens(vacant);
    expect(types(alone.happens(unverified))).not.toContain('restore');
    expect(alone.state.apps[app]?.condition).toBe('in-sync');
  });

  it('opens each app as soon as it can be vouched for, without waiting for another', () => {
    const scene = new Scene([app, 'alerts']);
    scene.happens({ type: 'view-changed', view: view(1, undefined) }, { type: 'app-restored', app });
    scene.passes(50);
    expect(only(scene.happens({ type: 'claim-won', epoch: asEpoch(2) }), 'open')).toMatchObject([{ app }]);
    scene.happens({ type: 'app-unavailable', app: 'alerts', reason: 'the store is down' });
    scene.happens({ type: 'publisher-live', app, publisher, epoch: asEpoch(2) });
    expect(scene.state.role).toBe('active');
    scene.passes(60_000);
    expect(only(scene.happens({ type: 'app-restored', app: 'alerts' }), 'open')).toMatchObject([{ app: 'alerts' }]);
  });
});

describe('verifying', () => {
  it('asks again with growing delays while the coordinator does not answer', () => {
    const scene = activeScene();
    scene.happens(verifyPlease(2, 1));
    const delays_ms = Array.from(
      { length: 6 },
      () => only(scene.happens(verifyAnswered(2, 'unanswered', 1)), 'verify')[0]?.delay_ms,
    );
    expect(delays_ms).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(types(scene.happens(verifyAnswered(2, 'current', 1)))).toEqual(['verified']);
  });

  it('goes on without an answer where the stored epoch was its own', () => {
    const scene = activeScene();
    scene.happens({ type: 'coordinator-lost' }, verifyPlease(2, 2));
    expect(types(scene.happens(verifyAnswered(2, 'unanswered', 2)))).toEqual(['verified']);
  });

  it('does not take an answer that was asked for before the newest opening', () => {
    const scene = activeScene();
    scene.happens(verifyPlease(2, 1));
    expect(scene.happens(verifyPlease(2, 2))).toEqual([]);
    expect(only(scene.happens(verifyAnswered(2, 'current', 1)), 'verify')).toMatchObject([
      { storedEpoch: 2, delay_ms: 0 },
    ]);
    expect(types(scene.happens(verifyAnswered(2, 'current', 2)))).toEqual(['verified']);
  });

  it('leaves the epoch when it is superseded, and looks where it stands', () => {
    const scene = activeScene();
    scene.happens(verifyPlease(2, 1));
    expect(types(scene.happens(verifyAnswered(2, 'superseded', 1)))).toEqual([
      'role-changed',
      'step-down',
      'read-view',
    ]);
    expect(types(scene.happens({ type: 'app-stepped-down', app }))).toEqual(['resign', 'role-changed']);
  });

  it('waits for its own claim when the session was lost', () => {
    const scene = activeScene();
    scene.happens({ type: 'view-changed', view: view(2, undefined) }, verifyPlease(2, 2));
    expect(types(scene.happens(verifyAnswered(2, 'superseded', 2)))).toEqual(['verify']);
    expect(only(scene.happens({ type: 'claim-won', epoch: asEpoch(3) }), 'open')).toMatchObject([{ app, epoch: 3 }]);
    expect(scene.happens(verifyPlease(2, 2))).toEqual([]);
  });
});

describe('leaving', () => {
  const switchover: SceneEvent = { type: 'switchover-requested', request: 'r1' };

  it('refuses a switchover with a reason', () => {
    expect(answers(passiveScene().happens(switchover))).toEqual(['refused: the active node is b']);
    const scene = activeScene();
    scene.happens({ type: 'peer-status', peer: third.incarnation, inSyncApps: [] });
    expect(answers(scene.happens(switchover))).toEqual(['refused: the passive node is not in sync: orders']);
    scene.happens({ type: 'coordinator-lost' });
    expect(answers(scene.happens(switchover))).toEqual(['refused: the coordinator cannot be reached']);
    scene.happens({ type: 'coordinator-back' }, { type: 'link-closed', peer: third.incarnation, how: 'closed' });
    expect(answers(scene.happens(switchover))).toEqual(['refused: no passive node is linked']);
  });

  it('stays active when the invited node does not claim in time', () => {
    const scene = activeScene();
    expect(only(scene.happens(switchover), 'invite')).toEqual([
      { type: 'invite', peer: third.incarnation, epoch: 2, limit_ms: 2000 },
    ]);
    expect(answers(scene.happens(switchover))).toEqual(['refused: a switchover is under way already']);
    expect(answers(scene.passes(2000))).toEqual(['expired: no claim within 2000 ms; nothing has changed']);
    expect(scene.state.role).toBe('active');
  });

  it('is done when the invited node holds a newer epoch, also where the sink said so first', () => {
    const scene = activeScene();
    scene.happens(switchover, { type: 'publisher-superseded', app, publisher, byEpoch: asEpoch(3) });
    expect(answers(scene.happens({ type: 'view-changed', view: view(3, third) }))).toEqual(['done: c holds epoch 3']);
  });

  it('hands over before it stops, and stops all the same when nobody takes over', () => {
    const scene = activeScene();
    expect(types(scene.happens({ type: 'stop-requested' }))).toEqual(['invite']);
    expect(types(scene.passes(2000))).toEqual(['role-changed', 'step-down']);
    expect(types(scene.happens({ type: 'app-stepped-down', app }))).toEqual(['role-changed', 'resign', 'exit']);
  });

  it('offers an app that failed for good to the peer, once, as soon as that is in sync', () => {
    const scene = activeScene([app, 'alerts']);
    const status = (...inSyncApps: string[]): SceneEvent => ({
      type: 'peer-status',
      peer: third.incarnation,
      inSyncApps,
    });
    scene.happens(status(app));
    expect(scene.happens({ type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: false })).toEqual([]);
    expect(scene.happens(status('alerts'))).toEqual([]);
    expect(types(scene.happens(status(app, 'alerts')))).toEqual(['invite']);
    scene.passes(2000);
    expect(scene.happens(status(app, 'alerts'))).toEqual([]);
  });

  it('opens an app that came back in the same epoch, from the store', () => {
    const scene = activeScene();
    scene.happens({ type: 'app-failed', app, reason: 'it threw', willRestart: true });
    expect(scene.happens({ type: 'app-described', app, publishers: [publisher] })).toEqual([
      { type: 'restore', app, from: { kind: 'store' } },
    ]);
    expect(scene.happens({ type: 'app-restored', app })).toEqual([
      { type: 'open', app, epoch: 2, unfencedFrom_ms: expect.any(Number) as number },
    ]);
  });

  it('keeps the state of its apps', () => {
    const scene = activeScene();
    expect(types(scene.happens({ type: 'view-changed', view: view(3, other) }))).toEqual(['role-changed', 'step-down']);
    expect(scene.happens({ type: 'app-stepped-down', app })).toMatchObject([{ type: 'role-changed', to: 'passive' }]);
    expect(scene.state.apps[app]).toMatchObject({ condition: 'in-sync', output: 'closed' });
  });

  it('goes on when the coordinator is lost', () => {
    const scene = activeScene();
    expect(scene.happens({ type: 'coordinator-lost' })).toEqual([]);
    expect(scene.state).toMatchObject({ role: 'active', held: 2 });
  });
});

describe('when a sink without a fence may be opened (S11)', () => {
  const unfencedFrom = (effects: readonly PairEffect[]) => only(effects, 'open').map((open) => open.unfencedFrom_ms);
  const ownSessionLost: SceneEvent = { type: 'view-changed', view: view(2, undefined) };

  /** The process of b is gone, and a claim of ours is under way. */
  function claiming(): Scene {
    const scene = passiveScene();
    scene.happens(linkClosed, isGone);
    return scene;
  }

  it('is one session time-out after the claim, which nothing that the old active asked for can have followed', () => {
    const scene = claiming();
    scene.passes(30);
    expect(unfencedFrom(scene.happens({ type: 'claim-won', epoch: asEpoch(2) }))).toEqual([scene.at_ms + 1000]);
  });

  it('is told with every opening, also one that comes when it is over', () => {
    const scene = claiming();
    scene.happens(
      { type: 'claim-won', epoch: asEpoch(2) },
      { type: 'app-failed', app, reason: 'x', willRestart: true },
    );
    const from_ms = scene.at_ms + 1000;
    scene.passes(5000);
    scene.happens({ type: 'app-described', app, publishers: [publisher] });
    expect(unfencedFrom(scene.happens({ type: 'app-restored', app }))).toEqual([from_ms]);
  });

  it('is at once when nobody has ever been active', () => {
    const scene = new Scene();
    scene.happens({ type: 'view-changed', view: view(undefined, undefined) }, { type: 'app-unborn', app });
    scene.passes(50);
    scene.happens({ type: 'claim-won', epoch: asEpoch(1) });
    expect(unfencedFrom(scene.happens({ type: 'app-restored', app }))).toEqual([undefined]);
  });

  it('counts from when a claim was seen to have taken place, when its answer was lost', () => {
    const scene = claiming();
    scene.happens({ type: 'claim-unknown' });
    scene.passes(300);
    const seen = scene.happens({ type: 'view-changed', view: view(2, self) });
    expect(unfencedFrom(seen)).toEqual([scene.at_ms + 1000]);
  });

  it('is not put off by a claim that follows an epoch of our own', () => {
    const scene = activeScene();
    const from_ms = scene.state.unfencedFrom_ms;
    scene.passes(400);
    expect(types(scene.happens(ownSessionLost))).toContain('claim');
    expect(unfencedFrom(scene.happens({ type: 'claim-won', epoch: asEpoch(3) }))).toEqual([from_ms]);
  });

  it('is not put off by a claim that follows an epoch which this node has given up', () => {
    const scene = activeScene();
    const from_ms = scene.state.unfencedFrom_ms;
    scene.happens(verifyPlease(2, 1), verifyAnswered(2, 'superseded'), { type: 'app-stepped-down', app });
    scene.happens({ type: 'view-changed', view: view(2, undefined) });
    scene.happens({ type: 'link-closed', peer: third.incarnation, how: 'closed' });
    scene.passes(2000);
    expect(unfencedFrom(scene.happens({ type: 'claim-won', epoch: asEpoch(3) }))).toEqual([from_ms]);
  });

  it('is put off when somebody else may have held an epoch in between', () => {
    const scene = activeScene();
    scene.happens(ownSessionLost);
    scene.happens({ type: 'claim-unknown' });
    scene.passes(700);
    const seen = scene.happens({ type: 'view-changed', view: view(4, self) });
    expect(unfencedFrom(seen)).toEqual([scene.at_ms + 1000]);
  });
});
