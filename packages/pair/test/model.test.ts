// The role machine in a toy world under random faults: S1, S2 and S3 hold throughout, L1 once the faults end.
// Wrong machines and wrong lanes go through the same world, to prove that it would tell.
import fc from 'fast-check';
import { step, type PairEvent, type PairState } from '@tandem/pair';
import { moments, runMoments } from './toy/faults.ts';
import { ToyWorld, type WorldOptions } from './toy/world.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

function property(
  options: Partial<WorldOptions>,
): fc.IProperty<[readonly Parameters<typeof runMoments>[1][number][], number]> {
  return fc.property(moments, seeds, (happenings, seed) => {
    runMoments(makeWorld(options, seed), happenings);
  });
}

function makeWorld(options: Partial<WorldOptions>, seed: number): ToyWorld {
  return new ToyWorld({
    nodes: ['a', 'b'],
    apps: ['orders'],
    fence: 'by-open',
    liveSync: true,
    step,
    laneMistake: 'none',
    ...options,
    seed,
  });
}

describe('the protocol under faults', () => {
  it.each<[string, Partial<WorldOptions>, number]>([
    ['two nodes, a fence that knows no epochs', {}, 120],
    ['two nodes, a fence that compares epochs', { fence: 'by-epoch' }, 80],
    ['two nodes, a sink that has no fence', { fence: 'none' }, 120],
    ['two nodes that sync from the store', { liveSync: false }, 60],
    ['two apps that do not wait for each other', { apps: ['orders', 'alerts'], fence: 'by-epoch' }, 50],
    ['three nodes', { nodes: ['a', 'b', 'c'] }, 50],
    ['one node alone', { nodes: ['a'] }, 40],
  ])('holds for %s', (_, options, numRuns) => {
    fc.assert(property(options), { numRuns });
  });

  it('holds where an opening got lost and is tried again on what the node itself remembers: the older one has not been fenced', () => {
    const toy = makeWorld({ nodes: ['a', 'b', 'c'] }, 571691266);
    runMoments(toy, [
      { wait_ms: 200, inputs: 0, fault: { do: 'pause', node: 'b' } },
      { wait_ms: 0, inputs: 0, fault: { do: 'lose', share: 0.4 } },
      { wait_ms: 0, inputs: 0, fault: { do: 'hang-blind', node: 'a', app: 'alerts' } },
    ]);
    expect(toy.transcript.join('\n')).toMatch(/c: verify-answered .*outcome=unanswered -> verified/);
  });
});

type Step = typeof step;

/** Skips step 3 of the promotion. */
const withoutVerifying: Step = (state, event, settings) => {
  const result = step(state, event, settings);
  const effects = result.effects.map((effect) =>
    effect.type === 'verify' ? { ...effect, type: 'verified' as const } : effect,
  );
  return { state: { ...result.state, verifications: {} }, effects };
};

/** Takes "superseded" for an answer that did not come, and goes on. */
const withoutLeaving: Step = (state, event, settings) => {
  const isBad = event.type === 'verify-answered' && event.outcome === 'superseded';
  return step(state, isBad ? { ...event, outcome: 'current' } : event, settings);
};

/** Takes an unknown claim for lost, and its own entry for that of another node. */
const takingUnknownForLost: Step = (state, event, settings) =>
  step(state, event.type === 'claim-unknown' ? lostClaim(state, event) : withoutOwnEntry(state, event), settings);

function lostClaim(state: PairState, { at_ms }: PairEvent): PairEvent {
  return { type: 'claim-lost', at_ms, view: state.view ?? { epoch: undefined, active: undefined, members: [] } };
}

function withoutOwnEntry(state: PairState, event: PairEvent): PairEvent {
  if (event.type !== 'view-changed' && event.type !== 'claim-lost') return event;
  const { active } = event.view;
  if (active?.incarnation !== state.self.incarnation || state.held !== undefined || state.claim?.phase === 'asked')
    return event;
  return { ...event, view: { ...event.view, active: { ...active, incarnation: `not-${active.incarnation}` } } };
}

/** Takes no notice of a state that is wrong. */
const withoutDistrust: Step = (state, event, settings) =>
  event.type === 'app-diverged' ? { state, effects: [] } : step(state, event, settings);

/** Asks for other state and vouches for the wrong one meanwhile. */
const trustingMeanwhile: Step = (state, event, settings) => {
  const result = step(state, event, settings);
  const apps = Object.entries(result.state.apps).map(([name, app]) => {
    const isWrong = event.type === 'app-diverged' && event.app === name && app.diverged;
    return [name, isWrong ? { ...app, condition: 'in-sync' as const } : app] as const;
  });
  return { state: { ...result.state, apps: Object.fromEntries(apps) }, effects: result.effects };
};

/** Goes on publishing when it has been superseded. */
const withoutSteppingDown: Step = (state, event, settings) => {
  const { state: after, effects } = step(state, event, settings);
  return { state: after, effects: effects.filter((effect) => effect.type !== 'step-down') };
};

describe('mistakes that the model catches', () => {
  it.each<[string, Partial<WorldOptions>, RegExp]>([
    ['not verifying after the opening', { step: withoutVerifying }, /S2|S3/],
    ['going on though the epoch is superseded', { step: withoutLeaving }, /S2|S3/],
    ['taking an unknown claim for a lost one', { step: takingUnknownForLost }, /L1|S1/],
    ['reading back before the opening', { laneMistake: 'reads-back-before-open' }, /S3|went back/],
    ['going on from memory after a fence', { laneMistake: 'goes-on-from-memory' }, /S2|S3/],
    ['opening at once where there is no fence', { fence: 'none', laneMistake: 'opens-without-waiting' }, /S2/],
    ['publishing without authority where there is no fence', { fence: 'none', laneMistake: 'ignores-authority' }, /S2/],
    ['publishing from a state that has diverged', { step: withoutDistrust }, /S3/],
    ['vouching for a state that is being replaced', { step: trustingMeanwhile }, /S3|put in place/],
    ['not stepping down', { step: withoutSteppingDown }, /S2|S3|L1/],
  ])('%s', (_, options, message) => {
    const { failed, errorInstance } = fc.check(property(options), { numRuns: 2000, endOnFailure: true, seed: 1 });
    expect(failed).toBe(true);
    expect(String(errorInstance)).toMatch(message);
  });
});
