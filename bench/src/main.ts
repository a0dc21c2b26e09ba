// npm run bench -- NAME ...: the last line is one JSON object, the line before it says what it was measured on.
import { Command, CommanderError, Option } from 'commander';
import { positive, whole } from '@tandem/harness';
import { measureDigestCost } from './digest-cost.ts';
import { measureFaults } from './faults.ts';
import { measureLatency } from './latency.ts';
import { describeMachine, describeSteal, processorTime } from './machine.ts';
import { measureIdle } from './idle.ts';
import { measureOutage, outages, type Outage } from './outage.ts';
import { measureQuiet } from './quiet.ts';
import { workloads, type Workload } from './reference.ts';
import { measureRestart } from './restart.ts';
import { measureSnapshotMemory } from './snapshot-memory.ts';
import { measureSnapshot } from './snapshot.ts';
import { clientNames, Stack, stackNames, type ClientName, type StackName } from './stack.ts';
import { measureThroughput } from './throughput.ts';

interface Common {
  readonly stack: StackName;
  readonly client?: ClientName;
  readonly json?: boolean;
}

/** A run whose outputs were not as they must be has failed, however fast it was. */
function isWrong(result: object): boolean {
  return ['lost', 'duplicated', 'wrong', 'role_changes'].some(
    (name) => name in result && (result as Record<string, unknown>)[name] !== 0,
  );
}

function measure(common: Common, work: (stack: Stack) => Promise<object>): Promise<void> {
  return measureEach(common, async (fresh) => work(await fresh()));
}

/** `fresh` gives a stack anew, in place of the one before. */
async function measureEach(common: Common, work: (fresh: () => Promise<Stack>) => Promise<object>): Promise<void> {
  const progress = (line: string) => {
    if (common.json !== true) process.stderr.write(`${line}\n`);
  };
  if (common.client !== undefined && common.stack !== 'kafka') {
    process.stderr.write('error: --client goes with --stack kafka\n');
    process.exitCode = 2;
    return;
  }
  let stack: Stack | undefined;
  let systems = '';
  const fresh = async (): Promise<Stack> => {
    await stack?.close();
    stack = await Stack.open(common.stack, common.client ?? 'native', progress);
    ({ systems } = stack);
    return stack;
  };
  const before = await processorTime();
  try {
    const result = await work(fresh);
    const steal = describeSteal(before, await processorTime());
    process.stdout.write(`${describeMachine(systems)}${steal}\n${JSON.stringify(result)}\n`);
    if (isWrong(result)) process.exitCode = 1;
  } finally {
    await stack?.close();
  }
}

function makeProgram(): Command {
  const program = new Command('bench')
    .description('Measures a pair of real nodes; see docs for what each number means.')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        write(text.trim().replace(/\s*\n\s*/g, ' ') + '\n');
      },
    })
    .showSuggestionAfterError(true);
  const add = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .addOption(new Option('--stack <name>', 'systems around the nodes').choices([...stackNames]).default('postgres'))
      .addOption(new Option('--client <name>', 'of the nodes, with --stack kafka').choices([...clientNames]))
      .option('--json', 'no progress on standard error')
      .allowExcessArguments(false);

  add('failover', 'kills or freezes the active and takes the time until outputs flow again')
    .option('--kills <n>', 'how many times', whole(1, 10_000), 30)
    .addOption(
      new Option('--signal <name>', 'KILL: gone; STOP: frozen, and later continued')
        .choices(['KILL', 'STOP'])
        .default('KILL'),
    )
    .action((options: Common & { kills: number; signal: 'KILL' | 'STOP' }) =>
      measure(options, async (stack) => ({
        kills: options.kills,
        ...(await measureFaults(stack, options.signal, options.kills)),
      })),
    );
  add('switchover', 'hands over on request and takes the time that outputs stay away')
    .option('--times <n>', 'how many times', whole(1, 10_000), 30)
    .action((options: Common & { times: number }) =>
      measure(options, async (stack) => ({
        times: options.times,
        ...(await measureFaults(stack, 'switchover', options.times)),
      })),
    );
  add('outage', 'kills a server, starts it again, and takes the time that outputs stay away; with --stack kafka')
    .addOption(new Option('--of <server>', 'which').choices([...outages]).makeOptionMandatory())
    .option('--seconds <n>', 'how long it is gone', whole(1, 3600), 60)
    .action((options: Common & { of: Outage; seconds: number }) =>
      measure(options, async (stack) => ({
        of: options.of,
        seconds: options.seconds,
        ...(await measureOutage(stack, options.of, options.seconds)),
      })),
    );
  add('restart', 'stops a node that is alone and starts it again: from its start to its first output')
    .option('--times <n>', 'how many times', whole(1, 10_000), 10)
    .action((options: Common & { times: number }) =>
      measure(options, async (stack) => ({ times: options.times, ...(await measureRestart(stack, options.times)) })),
    );
  add('idle', 'processor time and memory of a pair that has nothing to do')
    .option('--seconds <n>', 'how long', whole(1, 86_400), 30)
    .action((options: Common & { seconds: number }) =>
      measure(options, (stack) => measureIdle(stack, options.seconds)),
    );
  add('latency', 'from an input appended to its output read, at 1,000 inputs/s')
    .option('--seconds <n>', 'how long', whole(1, 86_400), 30)
    .action((options: Common & { seconds: number }) =>
      measure(options, (stack) => measureLatency(stack, options.seconds)),
    );
  add('throughput', 'as fast as it goes over preloaded input')
    .addOption(new Option('--workload <name>', 'what is computed').choices([...workloads]).makeOptionMandatory())
    .option('--lanes <n>', 'worker threads', whole(1, 64), 1)
    .option('--pair', 'with a passive beside it')
    .option('--profile', "where the time of the active's busiest lane goes, on standard error")
    .option('--inputs <n>', 'how many', whole(1, 100_000_000), 1_000_000)
    .option('--digest-every <n>', 'positions between two digests; 0: none', whole(0, 1_000_000_000))
    .action(
      (
        options: Common & {
          workload: Workload;
          lanes: number;
          pair?: boolean;
          inputs: number;
          digestEvery?: number;
          profile?: boolean;
        },
      ) =>
        measure(options, (stack) =>
          measureThroughput(stack, {
            ...options,
            pair: options.pair === true,
            profile: options.profile === true,
          }),
        ),
    );
  add('digest-cost', 'throughput of W2 with and without digests, turn by turn')
    .option('--rounds <n>', 'pairs of runs', whole(1, 1000), 6)
    .option('--inputs <n>', 'of each run', whole(1, 100_000_000), 2_000_000)
    .option('--digest-every <n>', 'positions between two digests', whole(1, 1_000_000_000), 8192)
    .action((options: Common & { rounds: number; inputs: number; digestEvery: number }) =>
      measureEach(options, (fresh) => measureDigestCost(fresh, options)),
    );
  add('snapshot', 'takes and restores a large state under 10,000 inputs/s')
    .option('--mb <n>', 'size of the state', whole(1, 10_000), 100)
    .action((options: Common & { mb: number }) => measure(options, (stack) => measureSnapshot(stack, options.mb)));
  add('snapshot-memory', 'memory that storing, sending and restoring a large state takes; Linux only')
    .option('--mb <n>', 'size of the state', whole(1, 10_000), 1000)
    .action((options: Common & { mb: number }) =>
      measure(options, (stack) => measureSnapshotMemory(stack, options.mb)),
    );
  add('quiet', 'counts role changes under full load beside a busy loop: there must be none')
    .option('--minutes <n>', 'how long', positive(1440), 10)
    .option('--rate <n>', 'inputs per second', whole(1, 1_000_000), 10_000)
    .action((options: Common & { minutes: number; rate: number }) =>
      measure(options, (stack) => measureQuiet(stack, options.minutes, options.rate)),
    );
  program.action(() => {
    program.error(`error: name what to measure: ${program.commands.map((command) => command.name()).join(', ')}`);
  });
  return program;
}

try {
  await makeProgram().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    process.stderr.write(`bench failed: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
    process.exitCode = 1;
  }
}
