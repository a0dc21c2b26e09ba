// npm run simulate: whole pairs in virtual time, from seeds. The last line is one JSON object.
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { describeFault, faultKinds, type FaultKind } from './faults.ts';
import { scenarioOf } from './scenario.ts';
import { runSeeds, runSeedsInProcesses, type Seeds, type SeedsReport } from './seeds.ts';
import { shrink } from './shrinking.ts';
import { simulate } from './simulation.ts';

const largest = 2 ** 31;

interface Options {
  readonly seed?: number;
  readonly seeds?: Seeds;
  readonly faults?: readonly FaultKind[];
  readonly transcript?: boolean;
  readonly shrink: boolean;
  readonly processes?: number;
  readonly step?: number;
  readonly untilFailed?: boolean;
}

function seed(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= largest) return value;
  throw new InvalidArgumentError(`must be a whole number from 0 to ${String(largest)}`);
}

function seeds(text: string): Seeds {
  const [from, to, ...more] = text.split('..');
  if (from === undefined || to === undefined || more.length > 0) {
    throw new InvalidArgumentError('must be a range such as 1..2000');
  }
  const range = { from: seed(from), to: seed(to) };
  if (range.from > range.to) throw new InvalidArgumentError(`ends before it begins`);
  return range;
}

function kinds(text: string): readonly FaultKind[] {
  return text.split(',').map((name) => {
    const kind = faultKinds.find((one) => one === name);
    if (kind === undefined) throw new InvalidArgumentError(`'${name}' is none of ${faultKinds.join(', ')}`);
    return kind;
  });
}

function processes(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 64) return value;
  throw new InvalidArgumentError('must be a whole number from 1 to 64');
}

const program = new Command('simulate')
  .description('Runs whole pairs in virtual time, with faults, from seeds, and checks all that they put out.')
  .option('--seed <n>', 'one run, the same every time', seed)
  .option('--seeds <a..b>', 'many runs', seeds)
  .option('--faults <kinds>', 'only these kinds of faults, separated by commas', kinds)
  .option('--transcript', 'what happened, also when nothing is wrong (with --seed)')
  .option('--no-shrink', 'do not look for a smaller scenario that fails too')
  .option('--processes <n>', 'runs at a time; default: as many as there are processors', processes)
  .option('--step <n>', 'every nth seed of the range, in this process', processes)
  .option('--until-failed', 'no more seeds once one has failed (with --step)')
  .exitOverride();

/** As it is, then as small as it gets. */
async function showOne(number: number, options: Options): Promise<boolean> {
  const scenario = scenarioOf(number, options.faults);
  const result = await simulate(scenario);
  const isWrong = result.violations.length > 0;
  const smallest = isWrong && options.shrink ? await shrink(scenario, result) : { scenario, result };
  if (isWrong || options.transcript === true) {
    const { faults, ...others } = smallest.scenario;
    process.stdout.write(`${JSON.stringify(others)}\n`);
    for (const fault of faults) process.stdout.write(`at ${String(fault.at_ms)} ms: ${describeFault(fault)}\n`);
    process.stdout.write(`\n${smallest.result.history.text}\n`);
  }
  for (const { rule, what } of smallest.result.violations.slice(0, 5)) {
    process.stdout.write(`${rule}: ${what}\n`);
  }
  if (smallest.scenario.faults.length < scenario.faults.length) {
    const [left, all] = [smallest.scenario.faults.length, scenario.faults.length].map(String);
    process.stdout.write(`shrunk to ${left ?? ''} of ${all ?? ''} faults\n`);
  }
  const { violations, inputs, outputs, repeated, epochs } = result;
  const report = { seed: number, violations: violations.length, inputs, outputs, repeated, epochs };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return isWrong;
}

async function showMany(range: Seeds, options: Options): Promise<boolean> {
  const began_ms = performance.now();
  const { faults } = options;
  if (options.step !== undefined) {
    const untilFailed = options.untilFailed === true;
    const report = await runSeeds(range, { step: options.step, kinds: faults, untilFailed });
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return report.failed.length > 0;
  }
  const report = await runSeedsInProcesses(
    range,
    options.processes ?? availableParallelism(),
    ({ from, to }, step) => ({
      file: process.execPath,
      args: [
        path.join(fileURLToPath(new URL('../../../..', import.meta.url)), 'scripts', 'run.mjs'),
        fileURLToPath(import.meta.url),
        '--seeds',
        `${String(from)}..${String(to)}`,
        '--step',
        String(step),
        ...(faults === undefined ? [] : ['--faults', faults.join(',')]),
      ],
    }),
  );
  const took_s = (performance.now() - began_ms) / 1000;
  for (const { seed: failed, violation } of report.failed.slice(0, 20)) {
    process.stdout.write(`seed ${String(failed)}: ${violation.rule}: ${violation.what.split('\n')[0] ?? ''}\n`);
  }
  const [first] = report.failed;
  if (first !== undefined) process.stdout.write(`to see one: npm run simulate -- --seed ${String(first.seed)}\n`);
  process.stdout.write(`${JSON.stringify(summary(report, took_s))}\n`);
  return report.failed.length > 0;
}

function summary(report: SeedsReport, took_s: number) {
  return { ...report, failed: report.failed.length, took_s: Math.round(took_s * 10) / 10 };
}

async function run(): Promise<void> {
  try {
    program.parse();
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
    return;
  }
  const options = program.opts<Options>();
  if ((options.seed === undefined) === (options.seeds === undefined)) {
    process.stderr.write('error: give either --seed N or --seeds A..B\n');
    process.exitCode = 2;
    return;
  }
  const isWrong =
    options.seeds === undefined ? await showOne(options.seed ?? 0, options) : await showMany(options.seeds, options);
  if (isWrong) process.exitCode = 1;
}

await run();
