// Leaving an epoch: what is handed over, to whom, and what is left behind.
import { asEpoch } from '@tandem/pair';
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
  verifyAnswered,
  verifyPlease,
  view,
  type SceneEvent,
} from './scene.ts';

const switchover: SceneEvent = { type: 'switchover-requested', request: 'r1' };
const stop: SceneEvent = { type: 'stop-requested' };
const ownSessionLost: SceneEvent = { type: 'view-changed', view: view(2, undefined) };
const newer: SceneEvent = { type: 'view-changed', view: view(3, other) };
const fencedBy3 = { type: 'publisher-superseded', app, publisher, byEpoch: asEpoch(3) } as const;
const steppedDown: SceneEvent = { type: 'app-stepped-down', app };

function inSync(...inSyncApps: readonly string[]): SceneEvent {
  return { type: 'peer-status', peer: third.incarnation, inSyncApps };
}

/** Alone in the pair, active in epoch 1. */
function aloneScene(): Scene {
  const scene = new Scene();
  scene.happens({ type: 'view-changed', view: view(undefined, undefined) }, { type: 'app-unborn', app });
  scene.passes(50);
  scene.happens({ type: 'claim-won', epoch: asEpoch(1) }, { type: 'app-restored', app });
  scene.happens({ type: 'publisher-live', app, publisher, epoch: asEpoch(1) });
  return scene;
}

/** Epoch 2 is held, its publisher is not live yet. */
function promotingScene(): Scene {
  const scene = passiveScene();
  scene.happens(linkClosed, isGone, { type: 'claim-won', epoch: asEpoch(2) });
  return scene;
}

describe('leaving an epoch', () => {
  it('closes what is open and says in which epoch the role changed', () => {
    const scene = activeScene();
    expect(scene.happens(newer)).toEqual([
      { type: 'role-changed', from: 'active', to: 'demoting', epoch: 3, why: 'b has claimed epoch 3' },
      { type: 'step-down', app },
    ]);
    expect(scene.state).toMatchObject({ held: undefined, givenUp: 2 });
    expect(scene.state.apps[app]).toMatchObject({ output: 'stepping-down', livePublishers: [] });
    expect(scene.happens(steppedDown)).toEqual([
      { type: 'role-changed', from: 'demoting', to: 'passive', epoch: 3, why: 'every publisher is closed' },
    ]);
    expect(scene.state.apps[app]).toMatchObject({ output: 'closed', livePublishers: [] });
  });

  it('says so too where the view names nobody', () => {
    expect(only(activeScene().happens({ type: 'view-changed', view: view(3, undefined) }), 'role-changed')).toEqual([
      { type: 'role-changed', from: 'active', to: 'demoting', epoch: 3, why: 'another node has claimed epoch 3' },
    ]);
  });

  it('leaves apps alone that are not open', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens({ type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true });
    expect(only(scene.happens(newer), 'step-down')).toEqual([{ type: 'step-down', app }]);
    expect(scene.state.apps['alerts']?.output).toBe('closed');
  });

  it('waits for every publisher', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens(newer);
    expect(scene.happens(steppedDown)).toEqual([]);
    expect(types(scene.happens({ type: 'app-stepped-down', app: 'alerts' }))).toEqual(['role-changed']);
  });

  it('takes notice of an app that has stepped down only where it was asked to', () => {
    const scene = activeScene();
    expect(scene.happens(steppedDown)).toEqual([]);
    expect(scene.state.apps[app]).toMatchObject({ output: 'live', livePublishers: [publisher] });
  });

  it('is syncing again while one of its apps has no state', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens(
      { type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true },
      { type: 'app-described', app: 'alerts', publishers: [publisher] },
      newer,
    );
    scene.happens(steppedDown);
    expect(scene.state.role).toBe('syncing');
  });

  it('gives up an entry that is still its own, and lets others claim first', () => {
    const scene = activeScene();
    scene.happens(fencedBy3);
    expect(scene.happens(steppedDown)[0]).toEqual({ type: 'resign', epoch: 2 });
    scene.happens({ type: 'link-closed', peer: third.incarnation, how: 'closed' }, ownSessionLost);
    expect(types(scene.passes(99))).not.toContain('claim');
    expect(types(scene.passes(1))).toContain('claim');
  });

  it('has no entry to give up when its session has ended', () => {
    const scene = activeScene();
    expect(types(scene.happens(fencedBy3, ownSessionLost))).not.toContain('claim');
    expect(types(scene.happens(steppedDown))).not.toContain('resign');
  });

  it('does not give up an entry that a claim of its own has made anew', () => {
    const scene = activeScene();
    expect(types(scene.happens(ownSessionLost))).toEqual(['claim']);
    scene.happens(fencedBy3, { type: 'view-changed', view: view(3, self) });
    expect(types(scene.happens(steppedDown))).toEqual(['role-changed']);
    expect(only(scene.happens({ type: 'claim-won', epoch: asEpoch(3) }), 'open')).toMatchObject([{ epoch: 3 }]);
  });

  it('takes no answer, and no late word of a publisher, for a reason to open again', () => {
    const scene = activeScene();
    scene.happens(verifyPlease(2, 1), newer);
    const before = scene.state;
    expect(scene.happens(verifyAnswered(2, 'current', 1), verifyPlease(2, 1))).toEqual([]);
    expect(scene.happens({ type: 'publisher-live', app, publisher, epoch: asEpoch(2) })).toEqual([]);
    expect(scene.happens(fencedBy3)).toEqual([]);
    expect(scene.state).toEqual(before);
  });
});

describe('stopping', () => {
  it('is done at once where nothing is held', () => {
    expect(passiveScene().happens(stop)).toEqual([
      { type: 'role-changed', from: 'passive', to: 'stopped', epoch: 1, why: 'it was asked to stop' },
      { type: 'exit' },
    ]);
    expect(new Scene().happens(stop)).toMatchObject([{ type: 'role-changed', epoch: undefined }, { type: 'exit' }]);
  });

  it('closes publishers first, also while they are being opened', () => {
    const scene = promotingScene();
    expect(scene.happens(stop)).toMatchObject([
      {
        type: 'role-changed',
        to: 'demoting',
        why: 'it was asked to stop, with no successor: the node is promoting, not active',
      },
      { type: 'step-down', app },
    ]);
    expect(scene.happens(steppedDown)).toEqual([
      { type: 'role-changed', from: 'demoting', to: 'stopped', epoch: 2, why: 'every publisher is closed' },
      { type: 'resign', epoch: 2 },
      { type: 'exit' },
    ]);
    expect(scene.state.wakeAt_ms).toBeUndefined();
  });

  it('goes on with a demotion that is under way', () => {
    const scene = activeScene();
    scene.happens(newer);
    expect(scene.happens(stop)).toEqual([]);
    expect(types(scene.happens(steppedDown))).toEqual(['role-changed', 'exit']);
  });

  it('is served by a switchover that is under way', () => {
    const scene = activeScene();
    scene.happens(switchover);
    expect(scene.happens(stop)).toEqual([]);
    expect(answers(scene.happens({ type: 'switchover-requested', request: 'r2' }))).toEqual([
      'refused: the node is stopping',
    ]);
    const handedOver = scene.happens({ type: 'view-changed', view: view(3, third) });
    expect(answers(handedOver)).toEqual(['done: c holds epoch 3']);
    expect(types(scene.happens(steppedDown))).toEqual(['role-changed', 'exit']);
  });

  it('says why it leaves when the successor did not claim', () => {
    const scene = activeScene();
    scene.happens(stop);
    expect(only(scene.passes(2000), 'role-changed')).toMatchObject([
      { to: 'demoting', why: 'it was asked to stop, and the successor did not claim' },
    ]);
  });

  it('leaves only once, though the successor runs out of time meanwhile', () => {
    const scene = activeScene();
    scene.happens(stop, fencedBy3);
    expect(only(scene.passes(2000), 'step-down')).toEqual([]);
    expect(types(scene.happens(steppedDown))).toEqual(['role-changed', 'resign', 'exit']);
  });

  it('answers whoever asked for a switchover that it is in the middle of', () => {
    const scene = activeScene();
    scene.happens(switchover, fencedBy3, stop);
    expect(answers(scene.happens(steppedDown))).toEqual(['expired: the node has stopped']);
  });

  it('leaves an epoch again that a claim under way has won', () => {
    const scene = activeScene();
    scene.happens(ownSessionLost, stop);
    expect(scene.happens({ type: 'claim-won', epoch: asEpoch(3) })).toMatchObject([
      { type: 'role-changed', to: 'demoting', why: 'it is stopping' },
      { type: 'step-down', app },
    ]);
    expect(scene.happens(steppedDown)).toMatchObject([
      { type: 'role-changed', to: 'stopped' },
      { type: 'resign', epoch: 3 },
      { type: 'exit' },
    ]);
  });
});

describe('handing over', () => {
  it('is refused where there is no active to do it, and no peer', () => {
    expect(answers(new Scene().happens(switchover))).toEqual(['refused: the node is joining, not active']);
    expect(answers(aloneScene().happens(switchover))).toEqual(['refused: no passive node is linked']);
  });

  it('names every app that the peer cannot take over', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens(inSync());
    expect(answers(scene.happens(switchover))).toEqual(['refused: the passive node is not in sync: orders, alerts']);
  });

  it('asks nothing of the peer for an app that is not live here either', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens({ type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true }, inSync(app));
    expect(types(scene.happens(switchover))).toEqual(['invite']);
  });

  it('is refused in the end when somebody else has claimed', () => {
    const scene = activeScene();
    scene.happens(switchover);
    expect(answers(scene.happens({ type: 'view-changed', view: view(3, other) }))).toEqual([
      'refused: b holds epoch 3 and was not the one invited',
    ]);
    expect(answers(scene.passes(5000))).toEqual([]);
  });

  it('is not done while the view shows nobody', () => {
    const scene = activeScene();
    scene.happens(switchover);
    expect(answers(scene.happens({ type: 'view-changed', view: view(3, undefined) }))).toEqual([]);
    expect(answers(scene.passes(1999))).toEqual([]);
    expect(answers(scene.passes(1))).toEqual(['expired: no claim within 2000 ms; nothing has changed']);
  });

  it('asks for no second switchover when an app fails for good during one', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens(switchover, { type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: false });
    expect(scene.happens(inSync(app, 'alerts'))).toEqual([]);
    const effects = scene.passes(2000);
    expect(answers(effects)).toEqual(['expired: no claim within 2000 ms; nothing has changed']);
    expect(only(effects, 'invite')).toMatchObject([{ peer: third.incarnation }]);
  });

  it('offers an app that failed for good once, and none that is restarted', () => {
    const scene = activeScene([app, 'alerts']);
    scene.happens({ type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: true });
    expect(scene.happens(inSync(app, 'alerts'))).toEqual([]);
    const failed: SceneEvent = { type: 'app-failed', app: 'alerts', reason: 'it threw', willRestart: false };
    expect(types(scene.happens(failed))).toEqual(['invite']);
    expect(only(scene.passes(10_000), 'invite')).toEqual([]);
  });
});
