// The total transition table: every role and every event. A cell that is missing does not compile.
import { asEpoch, ProtocolViolation, step, type Epoch, type PairEvent, type PairState, type Role } from '@tandem/pair';
import { activeScene, app, other, passiveScene, publisher, Scene, settings, third, view } from './scene.ts';

/**
 * `acts`: something is to be carried out. `notes`: it is remembered. `ignored`: nothing changes.
 * `impossible`: a ProtocolViolation.
 */
type Expected = 'acts' | 'notes' | 'ignored' | 'impossible';
type EventType = PairEvent['type'];

function joiningState(): PairState {
  const scene = new Scene();
  scene.happens({ type: 'view-changed', view: view(undefined, undefined) });
  return scene.state;
}

function syncingState(): PairState {
  const scene = new Scene();
  scene.happens({ type: 'view-changed', view: view(1, other) });
  return scene.state;
}

function claimingScene(): Scene {
  const scene = passiveScene();
  scene.happens(
    { type: 'link-closed', peer: other.incarnation, how: 'closed' },
    { type: 'probe-answered', peer: other.incarnation, outcome: 'gone' },
  );
  return scene;
}

function promotingState(): PairState {
  const scene = claimingScene();
  scene.happens(
    { type: 'claim-won', epoch: asEpoch(2) },
    { type: 'verify-please', app, publisher, lane: 0, epoch: asEpoch(2), storedEpoch: asEpoch(1) },
  );
  return scene.state;
}

function demotingState(): PairState {
  const scene = activeScene();
  scene.happens({ type: 'verify-please', app, publisher, lane: 0, epoch: asEpoch(2), storedEpoch: asEpoch(1) });
  scene.happens({ type: 'view-changed', view: view(3, other) });
  return scene.state;
}

function activeState(): PairState {
  const scene = activeScene();
  scene.happens(
    { type: 'verify-please', app, publisher, lane: 0, epoch: asEpoch(2), storedEpoch: asEpoch(1) },
    { type: 'publisher-live', app, publisher, epoch: asEpoch(2) },
  );
  return scene.state;
}

function stoppedState(): PairState {
  const scene = passiveScene();
  scene.happens({ type: 'stop-requested' });
  return scene.state;
}

const stateOf: Readonly<Record<Role, () => PairState>> = {
  joining: joiningState,
  syncing: syncingState,
  passive: () => passiveScene().state,
  promoting: promotingState,
  active: activeState,
  demoting: demotingState,
  stopped: stoppedState,
};

/** One of each, as it would come next in this state. */
const nextEvent: {
  readonly [Type in EventType]: (state: PairState) => Omit<Extract<PairEvent, { type: Type }>, 'at_ms'>;
} = {
  'view-changed': (state) => ({ type: 'view-changed', view: view(epochOf(state) + 1, third) }),
  'coordinator-lost': () => ({ type: 'coordinator-lost' }),
  'coordinator-back': () => ({ type: 'coordinator-back' }),
  'link-opened': (state) => ({ type: 'link-opened', peer: 'd1', epoch: asEpoch(Math.max(1, epochOf(state))) }),
  'link-closed': (state) => ({ type: 'link-closed', peer: state.link?.peer ?? 'd1', how: 'closed' }),
  'probe-answered': () => ({ type: 'probe-answered', peer: other.incarnation, outcome: 'gone' }),
  'claim-won': (state) => ({ type: 'claim-won', epoch: asEpoch((state.claim?.expected ?? 0) + 1) }),
  'claim-lost': (state) => ({ type: 'claim-lost', view: view(epochOf(state) + 1, third) }),
  'claim-unknown': () => ({ type: 'claim-unknown' }),
  'app-described': () => ({ type: 'app-described', app, publishers: [publisher] }),
  'app-restored': () => ({ type: 'app-restored', app }),
  'app-unborn': () => ({ type: 'app-unborn', app }),
  'app-unavailable': () => ({ type: 'app-unavailable', app, reason: 'nobody has it' }),
  'app-diverged': () => ({ type: 'app-diverged', app, reason: 'other totals' }),
  'app-unverified': () => ({ type: 'app-unverified', app, reason: 'nothing to compare' }),
  'app-lag': () => ({ type: 'app-lag', app, inSync: false }),
  'app-failed': () => ({ type: 'app-failed', app, reason: 'it threw', willRestart: false }),
  'verify-please': (state) => ({
    type: 'verify-please',
    app,
    publisher,
    lane: 1,
    epoch: heldOr1(state),
    storedEpoch: undefined,
  }),
  'verify-answered': (state) => ({
    type: 'verify-answered',
    app,
    publisher,
    lane: 0,
    epoch: heldOr1(state),
    storedEpoch: undefined,
    outcome: 'current',
  }),
  'publisher-live': (state) => ({ type: 'publisher-live', app, publisher, epoch: heldOr1(state) }),
  'publisher-superseded': () => ({ type: 'publisher-superseded', app, publisher, byEpoch: asEpoch(9) }),
  'app-stepped-down': () => ({ type: 'app-stepped-down', app }),
  'peer-status': (state) => ({ type: 'peer-status', peer: state.link?.peer ?? 'd1', inSyncApps: [] }),
  'switchover-requested': () => ({ type: 'switchover-requested', request: 'r1' }),
  invited: (state) => ({
    type: 'invited',
    by: state.view?.active?.incarnation ?? 'd1',
    epoch: heldOr1(state),
    limit_ms: 1000,
  }),
  'stop-requested': () => ({ type: 'stop-requested' }),
  tick: () => ({ type: 'tick' }),
};

function epochOf(state: PairState): number {
  return state.view?.epoch ?? 0;
}

function heldOr1(state: PairState): Epoch {
  return state.held ?? asEpoch(1);
}

function outcomeOf(state: PairState, type: EventType): Expected {
  try {
    const result = step(state, { ...nextEvent[type](state), at_ms: 100 }, settings);
    if (result.effects.length > 0) return 'acts';
    return JSON.stringify(result.state) === JSON.stringify(state) ? 'ignored' : 'notes';
  } catch (thrown) {
    if (!(thrown instanceof ProtocolViolation)) throw thrown;
    return 'impossible';
  }
}

/** The columns of the table: in what sample state each role is. */
const roles = [
  // Nobody is active, the app's state has been asked for.
  'joining',
  // b is active, the app's state has been asked of it.
  'syncing',
  // b is active and linked, the app is in sync.
  'passive',
  // Epoch 2 is held, the app's publisher is open and waits to be verified.
  'promoting',
  // The app is live, c is linked and in sync.
  'active',
  // b holds epoch 3, the app's publisher is being closed.
  'demoting',
  'stopped',
] as const satisfies readonly Role[];

type OnePer<Columns extends readonly unknown[]> = { readonly [Column in keyof Columns]: Expected };
type Row = OnePer<typeof roles>;

// prettier-ignore
const table: Readonly<Record<EventType, Row>> = {
  //                      joining        syncing        passive        promoting      active         demoting       stopped
  'view-changed':         ['acts',        'notes',       'notes',       'acts',        'acts',        'notes',       'ignored'],
  'coordinator-lost':     ['notes',       'notes',       'notes',       'notes',       'notes',       'notes',       'ignored'],
  'coordinator-back':     ['ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'ignored'],
  'link-opened':          ['notes',       'notes',       'notes',       'notes',       'notes',       'notes',       'ignored'],
  'link-closed':          ['ignored',     'ignored',     'acts',        'ignored',     'notes',       'notes',       'ignored'],
  'probe-answered':       ['ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'ignored'],
  'claim-won':            ['impossible',  'impossible',  'impossible',  'impossible',  'impossible',  'impossible',  'ignored'],
  'claim-lost':           ['impossible',  'impossible',  'impossible',  'impossible',  'impossible',  'impossible',  'ignored'],
  'claim-unknown':        ['impossible',  'impossible',  'impossible',  'impossible',  'impossible',  'impossible',  'ignored'],
  'app-described':        ['ignored',     'ignored',     'acts',        'acts',        'acts',        'acts',        'ignored'],
  'app-restored':         ['notes',       'acts',        'impossible',  'impossible',  'impossible',  'impossible',  'ignored'],
  'app-unborn':           ['notes',       'notes',       'ignored',     'ignored',     'ignored',     'ignored',     'ignored'],
  'app-unavailable':      ['notes',       'acts',        'ignored',     'ignored',     'ignored',     'ignored',     'ignored'],
  'app-diverged':         ['ignored',     'ignored',     'acts',        'ignored',     'ignored',     'notes',       'ignored'],
  'app-unverified':       ['ignored',     'ignored',     'acts',        'ignored',     'ignored',     'notes',       'ignored'],
  'app-lag':              ['ignored',     'ignored',     'notes',       'notes',       'notes',       'notes',       'ignored'],
  'app-failed':           ['notes',       'acts',        'notes',       'acts',        'acts',        'acts',        'ignored'],
  'verify-please':        ['impossible',  'ignored',     'ignored',     'acts',        'acts',        'ignored',     'ignored'],
  'verify-answered':      ['ignored',     'ignored',     'ignored',     'acts',        'acts',        'ignored',     'ignored'],
  'publisher-live':       ['impossible',  'ignored',     'ignored',     'acts',        'ignored',     'ignored',     'ignored'],
  'publisher-superseded': ['ignored',     'ignored',     'ignored',     'acts',        'acts',        'ignored',     'ignored'],
  'app-stepped-down':     ['ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'acts',        'ignored'],
  'peer-status':          ['ignored',     'ignored',     'ignored',     'notes',       'notes',       'notes',       'ignored'],
  'switchover-requested': ['acts',        'acts',        'acts',        'acts',        'acts',        'acts',        'ignored'],
  invited:                ['acts',        'notes',       'acts',        'notes',       'notes',       'notes',       'ignored'],
  'stop-requested':       ['acts',        'acts',        'acts',        'acts',        'acts',        'notes',       'ignored'],
  tick:                   ['ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'ignored',     'ignored'],
};

describe('the transition table', () => {
  it('has a column for each role', () => {
    expect([...roles].sort()).toEqual(Object.keys(stateOf).sort());
  });

  describe.each(roles.map((role, column) => ({ role, column })))('$role', ({ role, column }) => {
    it('is the role of its sample state', () => {
      expect(stateOf[role]().role).toBe(role);
    });

    it.each(Object.keys(nextEvent) as EventType[])('%s', (type) => {
      expect(outcomeOf(stateOf[role](), type)).toBe(table[type][column]);
    });
  });

  it.each(['claim-won', 'claim-lost', 'claim-unknown'] as const)('%s is an answer to a claim under way', (type) => {
    expect(outcomeOf(claimingScene().state, type)).toBe(type === 'claim-lost' ? 'notes' : 'acts');
  });

  it('names event and state in a violation', () => {
    const event: PairEvent = { type: 'view-changed', at_ms: 100, view: view(2, third) };
    expect(() => step(activeState(), event, settings)).toThrow(
      /S1: epoch 2 is held twice; event .*"c1".* in state .*"held":2/,
    );
  });

  it('never changes the state that it is given', () => {
    const states = roles.map((role) => stateOf[role]());
    const before = JSON.stringify(states);
    for (const state of states) {
      for (const type of Object.keys(nextEvent) as EventType[]) outcomeOf(state, type);
    }
    expect(JSON.stringify(states)).toBe(before);
  });
});
