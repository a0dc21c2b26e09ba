// Grounds for a claim: whose word counts, for how long, and what does not count.
import { asEpoch } from '@tandem/pair';
import {
  activeScene,
  app,
  isGone,
  linkClosed,
  only,
  other,
  passiveScene,
  Scene,
  third,
  types,
  vacant,
  view,
  type SceneEvent,
} from './scene.ts';

const invited: SceneEvent = { type: 'invited', by: other.incarnation, epoch: asEpoch(1), limit_ms: 5000 };
const behind: SceneEvent = { type: 'app-lag', app, inSync: false };
const linkedToThird: SceneEvent = { type: 'link-opened', peer: third.incarnation, epoch: asEpoch(1) };
const thirdClosed: SceneEvent = { type: 'link-closed', peer: third.incarnation, how: 'closed' };
const lost: SceneEvent = { type: 'coordinator-lost' };
const back: SceneEvent = { type: 'coordinator-back' };

describe('the link', () => {
  it('makes apps that wait ask again, when it is to the active', () => {
    const scene = passiveScene([app, 'alerts']);
    scene.happens(
      { type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true },
      { type: 'app-described', app: 'alerts', publishers: [] },
      { type: 'app-unavailable', app: 'alerts', reason: 'too busy' },
    );
    const before = scene.state.apps;
    expect(scene.happens(linkedToThird)).toEqual([]);
    expect(scene.state.apps).toEqual(before);
    expect(scene.happens({ type: 'link-opened', peer: other.incarnation, epoch: asEpoch(1) })).toEqual([
      { type: 'restore', app: 'alerts', from: { kind: 'peer', peer: other } },
    ]);
    expect(scene.state.apps[app]?.retryAt_ms).toBeUndefined();
  });

  it('takes what the peer said with it when it closes, or another one opens', () => {
    const inSync: SceneEvent = { type: 'peer-status', peer: third.incarnation, inSyncApps: [app] };
    for (const ended of [thirdClosed, linkedToThird]) {
      const scene = passiveScene();
      scene.happens(linkedToThird, inSync);
      expect(scene.state.peerInSync).toEqual([app]);
      scene.happens(ended);
      expect(scene.state.peerInSync).toEqual([]);
    }
  });

  it('is up again when the peer speaks', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, { type: 'peer-status', peer: other.incarnation, inSyncApps: [] });
    expect(scene.state.link).toMatchObject({ open: true, closedAt_ms: undefined });
  });

  it('to somebody else does not count against the active', () => {
    const scene = passiveScene();
    scene.happens(linkedToThird);
    expect(scene.happens(thirdClosed)).toEqual([]);
    const left = passiveScene();
    left.happens(linkedToThird);
    expect(types(left.happens(vacant))).toContain('claim');
  });
});

describe('a probe', () => {
  it('is not repeated while its answer is awaited, nor after one that says that the process is alive', () => {
    const scene = passiveScene();
    scene.happens(linkClosed);
    for (const answer of ['asked', 'alive'] as const) {
      if (answer === 'alive') scene.happens({ type: 'probe-answered', peer: other.incarnation, outcome: answer });
      expect(scene.happens({ type: 'tick' })).toEqual([]);
      scene.passes(20_000);
      expect(scene.happens({ type: 'tick' })).toEqual([]);
    }
  });

  it('is of one process: what is said of another does not count', () => {
    const scene = passiveScene();
    scene.happens(linkClosed);
    expect(scene.happens({ type: 'probe-answered', peer: third.incarnation, outcome: 'gone' })).toEqual([]);
    expect(types(scene.happens(isGone))).toEqual(['claim']);
  });

  it('is acted upon within one session time-out, and made again after that', () => {
    const inTime = passiveScene();
    inTime.happens(linkClosed, lost, isGone);
    inTime.passes(999);
    expect(types(inTime.happens(back))).toEqual(['claim']);
    const late = passiveScene();
    late.happens(linkClosed, lost, isGone);
    late.at_ms += 1000;
    expect(types(late.happens(back))).toEqual(['probe']);
  });

  it('is no ground for a claim from somebody else, who is active by now', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, lost, isGone, { type: 'view-changed', view: view(2, third) });
    expect(scene.happens(back)).toEqual([]);
  });

  it('is not thought of once the claim has been won', () => {
    expect(activeScene().state.wakeAt_ms).toBeUndefined();
  });

  it('is no ground for a second claim in the same epoch, before the interval is over', () => {
    const scene = passiveScene();
    scene.happens(linkClosed, isGone);
    expect(scene.happens({ type: 'claim-lost', view: view(1, other) })).toEqual([]);
    expect(scene.passes(4999)).toEqual([]);
    expect(types(scene.passes(1))).toEqual(['probe']);
  });
});

describe('an invitation', () => {
  it('counts at once, also for a node that is behind', () => {
    const scene = passiveScene();
    scene.happens(behind);
    expect(only(scene.happens(invited), 'claim')).toMatchObject([{ why: 'b hands over' }]);
  });

  it('counts though the link is up and the active has left the view', () => {
    const scene = passiveScene();
    scene.happens(lost, invited, vacant);
    expect(types(scene.happens(back))).toEqual(['claim']);
  });

  it('counts for one epoch only', () => {
    const scene = passiveScene();
    scene.happens(lost, invited, { type: 'view-changed', view: view(2, other) });
    expect(scene.happens(back)).toEqual([]);
  });

  it('makes this node look when it speaks of an epoch that no view has shown yet', () => {
    const scene = passiveScene();
    expect(scene.happens({ ...invited, epoch: asEpoch(2) })).toEqual([{ type: 'read-view' }]);
    expect(types(scene.happens({ type: 'view-changed', view: view(2, other) }))).toEqual(['claim']);
    expect(new Scene().happens(invited)).toEqual([{ type: 'read-view' }]);
  });
});

describe('with nobody active', () => {
  it('one app that has not begun is enough', () => {
    const scene = new Scene([app, 'alerts']);
    scene.happens({ type: 'view-changed', view: view(undefined, undefined) }, { type: 'app-unborn', app });
    scene.happens({ type: 'app-unavailable', app: 'alerts', reason: 'the store is down' });
    expect(only(scene.passes(50), 'claim')).toMatchObject([{ expected: undefined, why: 'nobody is active' }]);
  });

  it('no view, no claim', () => {
    expect(new Scene().happens({ type: 'tick' })).toEqual([]);
  });
});
