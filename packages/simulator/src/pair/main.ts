// npm run simulate: runs whole pairs from seeds, and shows what went wrong.
import { parseArgs } from 'node:util';
import { simulate } from './simulation.ts';
import { scenarioOf } from './scenario.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seeds: { type: 'string' }, verbose: { type: 'boolean' } },
});
const [from, to] = (values.seeds ?? `${values.seed ?? '1'}..${values.seed ?? '1'}`).split('..').map(Number);
const began = performance.now();
let failed = 0;
let inputs = 0,
  outputs = 0,
  epochs = 0;
for (let seed = from ?? 1; seed <= (to ?? 1); seed++) {
  const result = await simulate(scenarioOf(seed));
  inputs += result.inputs;
  outputs += result.outputs;
  epochs += result.epochs;
  if (values.verbose) process.stdout.write(result.history);
  if (result.violations.length > 0) {
    failed++;
    process.stdout.write(`seed ${seed}: ${result.violations[0]?.rule} ${result.violations[0]?.what.slice(0, 300)}\n`);
  }
}
process.stdout.write(
  `${failed} failed; ${inputs} inputs ${outputs} outputs ${epochs} epochs; ${((performance.now() - began) / ((to ?? 1) - (from ?? 1) + 1)).toFixed(1)} ms per seed\n`,
);
