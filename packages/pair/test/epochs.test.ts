// Views and claims: which of them are heeded, what they change, and what follows a claim that changed nothing.
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
  self,
  third,
  types,
  vacant,
  verifyAnswered,
  verifyPlease,
  view,
  type SceneEvent,
} from './scene.ts';

const ownSessionLost: SceneEvent = { type: 'view-changed', view: view(2, undefined) };
const ownClaimShown: SceneEvent = { type: 'view-changed', view: view(2, self) };

/** A claim of epoch 2 is under way: b has left epoch 1. */
function claimingScene(): Scene {
  const scene = passiveScene();
  scene.happens(linkClosed, vacant);
  return scene;
}

/** A claim of the very first epoch is under way. */
function firstClaimScene(): Scene {
  const scene = new Scene();
  scene.happens({ type: 'view-changed', view: view(undefined, undefined) }, { type: 'app-unborn', app });
  scene.passes(50);
  return scene;
}

describe('views', () => {
  it('are ignored when they are older than what is known', () => {
    const scene = activeScene();
    const before = scene.state;
    expect(scene.happens({ type: 'view-changed', view: view(1, undefined) })).toEqual([]);
    expect(scene.state).toEqual(before);
  });

  it('do not give an epoch back that a fence made this node leave', () => {
    const scene = activeScene();
    scene.happens(verifyPlease(2, 1), verifyAnswered(2, 'superseded', 1));
    expect(scene.happens(ownClaimShown)).toEqual([]);
    scene.happens({ type: 'app-stepped-down', app });
    expect(only(scene.happens(ownClaimShown), 'role-changed')).toEqual([]);
    expect(scene.state).toMatchObject({ role: 'passive', held: undefined });
  });

  it('are read again while they show this node in an epoch that it has left', () => {
    const scene = activeScene();
    expect(types(scene.happens(verifyPlease(2, 1), verifyAnswered(2, 'superseded', 1)))).toContain('read-view');
    expect(scene.passes(999)).toEqual([]);
    expect(scene.passes(1)).toEqual([{ type: 'read-view' }]);
    scene.happens(ownSessionLost);
    expect(only(scene.passes(5000), 'read-view')).toEqual([]);
  });

  it('show that a claim took place which this node had made on an epoch of its own', () => {
    const scene = activeScene();
    scene.happens(ownSessionLost, { type: 'claim-unknown' });
    expect(scene.happens({ type: 'view-changed', view: view(3, self) })).toMatchObject([
      { type: 'role-changed', to: 'promoting', why: 'the view shows a claim of ours whose answer was lost' },
      { type: 'open', epoch: 3 },
    ]);
  });

  it('tell nobody of a promotion that goes on in a newer epoch', () => {
    const scene = claimingScene();
    scene.happens({ type: 'claim-won', epoch: asEpoch(2) }, ownSessionLost);
    expect(types(scene.happens({ type: 'claim-won', epoch: asEpoch(3) }))).toEqual(['open']);
  });
});

describe('the answer to a claim', () => {
  it.each<SceneEvent>([
    { type: 'claim-won', epoch: asEpoch(2) },
    { type: 'claim-lost', view: view(2, third) },
    { type: 'claim-unknown' },
  ])('cannot come where there was none: $type', (event) => {
    expect(() => passiveScene().happens(event)).toThrow(/^nothing was claimed; event/);
  });

  it('cannot be any epoch but the next', () => {
    const won: SceneEvent = { type: 'claim-won', epoch: asEpoch(3) };
    expect(() => claimingScene().happens(won)).toThrow(/^S1: epoch 3 was won after 1; event/);
    expect(() => firstClaimScene().happens(won)).toThrow(/^S1: epoch 3 was won after none; event/);
  });

  it('says that this node is active, as a view would', () => {
    const scene = claimingScene();
    scene.happens({ type: 'claim-won', epoch: asEpoch(2) });
    expect(scene.state.view).toEqual(view(2, self));
    expect(scene.state).toMatchObject({ lastActive: self, vacantSince_ms: undefined });
  });

  it('does not hide a view that came before it and shows that the session has ended since', () => {
    const scene = claimingScene();
    scene.happens(ownSessionLost);
    expect(only(scene.happens({ type: 'claim-won', epoch: asEpoch(2) }), 'claim')).toMatchObject([
      { expected: 2, why: 'its session with the coordinator was lost' },
    ]);
  });

  it('is followed by another claim only after a while, when nothing has changed', () => {
    const lost = claimingScene();
    expect(lost.happens({ type: 'claim-lost', view: view(1, undefined) })).toEqual([]);
    expect(lost.passes(99)).toEqual([]);
    expect(types(lost.passes(1))).toEqual(['claim']);
    const first = firstClaimScene();
    expect(first.happens({ type: 'claim-lost', view: view(undefined, undefined) })).toEqual([]);
    expect(types(first.passes(100))).toContain('claim');
    const unknown = firstClaimScene();
    unknown.happens({ type: 'claim-unknown' });
    expect(unknown.happens({ type: 'view-changed', view: view(undefined, undefined) })).toEqual([]);
    expect(types(unknown.passes(100))).toContain('claim');
  });

  it('is followed by another claim at once, when somebody else was active meanwhile and has left', () => {
    const lost = claimingScene();
    expect(only(lost.happens({ type: 'claim-lost', view: view(2, undefined) }), 'claim')).toMatchObject([
      { expected: 2 },
    ]);
    const unknown = claimingScene();
    unknown.happens({ type: 'claim-unknown' });
    expect(only(unknown.happens(ownSessionLost), 'claim')).toMatchObject([{ expected: 2 }]);
  });

  it('may be overtaken by the view of a newer epoch', () => {
    const scene = claimingScene();
    scene.happens({ type: 'view-changed', view: view(3, third) });
    expect(scene.happens({ type: 'claim-lost', view: view(2, other) })).toEqual([]);
    expect(scene.state.view).toEqual(view(3, third));
  });

  it('ends an epoch of this node, when the view of a newer one came before it', () => {
    const scene = activeScene();
    scene.happens(ownSessionLost, { type: 'view-changed', view: view(3, third) });
    expect(types(scene.happens({ type: 'claim-lost', view: view(2, undefined) }))).toEqual([
      'role-changed',
      'step-down',
    ]);
  });

  it('ends what was under way for the sake of the claim', () => {
    const scene = passiveScene();
    scene.happens({ type: 'invited', by: other.incarnation, epoch: asEpoch(1), limit_ms: 5000 }, linkClosed, isGone);
    scene.happens({ type: 'claim-won', epoch: asEpoch(2) });
    expect(scene.state).toMatchObject({ invitation: undefined, candidateSince_ms: undefined, probe: undefined });
  });
});
