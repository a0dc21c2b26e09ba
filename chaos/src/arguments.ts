// The command line; whatever is wrong with it is one line on standard error and exit code 2.
import { Command, InvalidArgumentError, Option } from 'commander';
import { positive, whole } from '@tandem/harness';
import { stackNames, type Fault, type StackName } from './faults/fault.ts';
import { faultKinds } from './faults/kinds.ts';
import { spoilings, type Spoiling } from './spoil.ts';

export interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly stack: StackName;
  readonly faults: readonly Fault[];
  readonly rate: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly spoil?: Spoiling;
}

const mostMinutes = 7 * 24 * 60;
const mostSeed = 2 ** 32 - 1;

function kindsNamed(text: string): readonly Fault[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names) {
    if (!faultKinds.some((kind) => kind.name === name)) {
      throw new InvalidArgumentError(
        `'${name}' is not a kind of fault: choose from ${faultKinds.map((kind) => kind.name).join(', ')}`,
      );
    }
  }
  if (names.length === 0) throw new InvalidArgumentError('name one kind of fault at least');
  return faultKinds.filter((kind) => names.includes(kind.name));
}

/** @param args without program and script @throws CommanderError, after the line about it */
export function parseArguments(args: readonly string[]): Options {
  const command = new Command('chaos')
    .description('Breaks a pair of real nodes, their systems and the network between them, and checks every output.')
    .option('--minutes <n>', 'how long faults are injected', positive(mostMinutes), 10)
    .option('--seed <n>', 'of the schedule of faults; default: another one each time', whole(0, mostSeed))
    .addOption(
      new Option('--stack <name>', 'kafka: Kafka, ZooKeeper and PostgreSQL (needs Java); postgres: PostgreSQL alone')
        .choices([...stackNames])
        .default('kafka'),
    )
    .addOption(
      new Option('--faults <names>', 'only these kinds, with commas between them')
        .argParser(kindsNamed)
        .default(faultKinds, 'all'),
    )
    .option('--rate <n>', 'inputs per second', whole(1, 10_000), 200)
    .option('--json', 'only the last line on standard output, the rest on standard error')
    .option('--verbose', 'the schedule first')
    .addOption(
      new Option('--spoil <how>', 'change the output table before it is checked, to see the check find it').choices([
        ...spoilings,
      ]),
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(`${text.trim().replace(/\s*\n\s*/g, ' ')}\n`);
      },
    })
    .parse(args, { from: 'user' });
  const { seed = Math.floor(Math.random() * 2 ** 32), ...options } = command.opts<
    Omit<Options, 'seed'> & { readonly seed?: number }
  >();
  if (!options.faults.some((kind) => kind.targets(options.stack).length > 0)) {
    command.error(`error: none of these faults is possible on stack ${options.stack}`);
  }
  return { ...options, seed };
}
