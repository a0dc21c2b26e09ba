// Takes away from a scenario that fails whatever it fails without.
import type { Scenario } from './scenario.ts';
import { simulate, type SimulationResult } from './simulation.ts';

export interface Shrunk {
  readonly scenario: Scenario;
  readonly result: SimulationResult;
}

/** With as few faults as can be found by leaving out one after another, and a simple set-up; it breaks the same rule first. */
export async function shrink(
  scenario: Scenario,
  result: SimulationResult,
  run: typeof simulate = simulate,
): Promise<Shrunk> {
  const rule = result.violations[0]?.rule;
  let least: Shrunk = { scenario, result };
  const tryIt = async (smaller: Scenario): Promise<boolean> => {
    const tried = await run(smaller);
    if (tried.violations[0]?.rule !== rule) return false;
    least = { scenario: smaller, result: tried };
    return true;
  };
  for (let index = scenario.faults.length - 1; index >= 0; index--) {
    const { faults } = least.scenario;
    await tryIt({ ...least.scenario, faults: faults.filter((_, other) => other !== index) });
  }
  for (const simpler of simplifications) await tryIt({ ...least.scenario, ...simpler });
  return least;
}

/** One after another, each kept if it still fails. */
const simplifications: readonly Partial<Scenario>[] = [
  { withBrittle: false },
  { withUnfenced: false },
  { lanes: 1 },
  { partitions: 1 },
  { liveSync: true },
  { queueLimit_bytes: 1 << 20 },
  { publishMaxOutputs: 100 },
  { rates: [1, 1] },
];
