// A failing scenario is made smaller for as long as it breaks the same rule.
import { History } from '../../src/pair/history.ts';
import { scenarioOf, type Scenario } from '../../src/pair/scenario.ts';
import { shrink } from '../../src/pair/shrinking.ts';
import type { SimulationResult } from '../../src/pair/simulation.ts';
import { VirtualTime } from '@tandem/simulator';

function result(rule: string | undefined): SimulationResult {
  const violations = rule === undefined ? [] : [{ rule, what: 'it is wrong' }];
  return { violations, history: new History(new VirtualTime()), inputs: 0, outputs: 0, repeated: 0, epochs: 0 };
}

/** With many faults of different kinds. */
function large(): Scenario {
  for (let seed = 1; ; seed++) {
    const scenario = scenarioOf(seed);
    const kinds = scenario.faults.map(({ kind }) => kind);
    if (new Set(kinds).size >= 5 && kinds.filter((kind) => kind === 'stop').length === 1) return scenario;
  }
}

it('keeps only the fault that matters, and the simplest set-up', async () => {
  const scenario = { ...large(), lanes: 2, partitions: 3, withBrittle: true };
  const runs: Scenario[] = [];
  const run = (tried: Scenario): Promise<SimulationResult> => {
    runs.push(tried);
    const isWrong = tried.faults.some(({ kind }) => kind === 'stop') && tried.lanes === 2;
    return Promise.resolve(result(isWrong ? 'S3' : undefined));
  };
  const least = await shrink(scenario, result('S3'), run);
  expect(least.scenario.faults.map(({ kind }) => kind)).toEqual(['stop']);
  expect(least.scenario).toMatchObject({ seed: scenario.seed, lanes: 2, partitions: 1, withBrittle: false });
  expect(runs).toHaveLength(scenario.faults.length + 8);
});

it('does not take one fault for another', async () => {
  const scenario = large();
  const run = (): Promise<SimulationResult> => Promise.resolve(result('L1'));
  const least = await shrink(scenario, result('S3'), run);
  expect(least.scenario).toBe(scenario);
});
