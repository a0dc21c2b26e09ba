// What simulations have found, each as a scenario of its own that went wrong before it was put right.
import { scenarioOf, type Scenario } from '../../src/pair/scenario.ts';
import { simulate } from '../../src/pair/simulation.ts';
import type { Fault, FaultKind } from '../../src/pair/faults.ts';

function fault(kind: FaultKind, at_ms: number, more: Partial<Fault> = {}): Fault {
  return {
    kind,
    at_ms,
    for_ms: 100,
    node: 'active',
    direction: 'both',
    messages: 1,
    isAfter: false,
    by_ms: 0,
    ...more,
  };
}

/** Nothing but what is said goes wrong, and nothing is unusual. */
function scenario(changes: Partial<Scenario>): Scenario {
  return {
    ...scenarioOf(1),
    faultsEnd_ms: 2_000,
    partitions: 2,
    lanes: 1,
    withBrittle: false,
    withUnfenced: false,
    liveSync: true,
    persistence: { interval_ms: 200, keep: 3 },
    queueLimit_bytes: 1 << 20,
    publishMaxOutputs: 100,
    burstEvery_ms: 40,
    lateShare: 0.03,
    rates: [1, 1],
    faults: [],
    ...changes,
  };
}

it('an app is live again, and its revisions are stored, when one lane of several has opened again', async () => {
  // Only one of the two lanes has a task, so that only that one is ever in doubt about what it published.
  const faults = [fault('sinks-cut', 600)];
  const { violations } = await simulate(scenario({ lanes: 2, partitions: 1, faults }));
  expect(violations).toEqual([]);
});

it('an active that was stopped until its log had moved on takes the newer state of the other', async () => {
  // It learns that the log no longer has what it needs a moment before it learns that it is not active any more.
  const faults = [fault('stop', 600, { for_ms: 1_500 }), fault('log-shortened', 1_900)];
  for (let seed = 1; seed <= 12; seed++) {
    const { violations } = await simulate(scenario({ seed, partitions: 1, faultsEnd_ms: 3_000, faults }));
    expect({ seed, violations }).toEqual({ seed, violations: [] });
  }
});
