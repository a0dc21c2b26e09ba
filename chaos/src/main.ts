// npm run chaos: a pair of real nodes under faults from a seed; the last line is one JSON object, see docs/reliability.md.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { parseArguments, type Options } from './arguments.ts';
import { countFailovers, roleChangesIn } from './failovers.ts';
import { carryOut } from './injector.ts';
import { describeGaps, gapsOf, makeReport, type Report } from './report.ts';
import { describePlanned, makeSchedule } from './schedule.ts';
import { spoilTable } from './spoil.ts';
import { NoServers, Stage } from './world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** After the last fault: until both nodes are in step, and then until every output is there. */
const inStepLimit_ms = 120_000;
const drainLimit_ms = 60_000;

interface Outcome {
  readonly report: Report;
  /** What the run fails for, for people. */
  readonly problems: readonly string[];
}

type Say = (line: string) => void;

async function run(options: Options, stage: Stage, say: Say, signal: AbortSignal): Promise<Outcome> {
  const { seed, stack } = options;
  const length_ms = options.minutes * 60_000;
  const schedule = makeSchedule({ seed, length_ms, stack, kinds: options.faults });
  await stage.begin(options.rate);
  say(`outputs flow on ${stage.described}; ${schedule.length.toString()} faults to come, seed ${seed.toString()}`);
  const injections = await carryOut(schedule, stage, { length_ms, say, signal });
  signal.throwIfAborted();
  stage.heal();
  say('all is healed: waiting until both nodes are in step');
  const problems: string[] = [];
  const hang = await stage.inStep(inStepLimit_ms);
  if (hang !== undefined) {
    problems.push(`the pair is not in step after ${(inStepLimit_ms / 1000).toString()} s: ${hang}`);
  }
  await stage.feed.stop();
  // Before the check: it takes so much of this process that what its gates pass on comes too late for a session.
  const changes = await Promise.all(
    stage.nodes.ids.map(async (id) =>
      roleChangesIn(id, await readFile(stage.nodes.pair.logFile(id), 'utf8').catch(() => '')),
    ),
  );
  const expected = await stage.expected();
  await stage.drained(expected, drainLimit_ms);
  if (options.spoil !== undefined) await spoil(stage, options.spoil, say);
  const checked = await stage.check(expected);
  problems.push(...checked.examples);
  const { failovers, falseOnes } = countFailovers(changes.flat(), stage.nodes.runs, injections, stack);
  for (const line of falseOnes) say(`false failover: ${line}`);
  for (const line of stage.nodes.mishaps) say(`mishap: ${line}`);
  const gaps_ms = gapsOf(injections, stage.arrivals.clock);
  for (const line of describeGaps(injections, gaps_ms)) say(line);
  const report = makeReport(
    { injections, gaps_ms, inputs: expected.inputs, checked, failovers, false_failovers: falseOnes.length },
    seed,
  );
  return { report, problems };
}

async function spoil(stage: Stage, how: NonNullable<Options['spoil']>, say: Say): Promise<void> {
  say(`making the output table wrong, as asked: ${how}`);
  const client = await stage.connect();
  try {
    await spoilTable(client, how);
  } finally {
    await client.end();
  }
}

async function main(options: Options): Promise<void> {
  const say: Say = (line) => {
    (options.json === true ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const { seed, stack, minutes } = options;
  if (options.verbose === true) {
    const schedule = makeSchedule({ seed, length_ms: minutes * 60_000, stack, kinds: options.faults });
    for (const planned of schedule) say(describePlanned(planned));
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The second time somebody is in a hurry; what was started ends with this process.
      if (stop.signal.aborted) process.exit(130);
      stop.abort();
    });
  }
  const folder = path.join(root, '.tandem', `chaos-${seed.toString()}-${process.pid.toString()}`);
  const needsDisk = options.faults.some(({ name }) => name === 'disk-full');
  // The table of a run fits with room to spare.
  const disk_mb = needsDisk ? Math.ceil(64 + minutes * options.rate * 0.05) : undefined;
  let keepsLogs = true;
  const stage = await Stage.open({ stack, folder, disk_mb, say });
  try {
    if (typeof stage.disk === 'string' && needsDisk) say(`disk-full is left out: ${stage.disk}`);
    const { report, problems } = await run(options, stage, say, stop.signal);
    for (const line of problems) say(line);
    const isWrong = report.lost + report.duplicated + report.reordered > 0 || problems.length > 0;
    if (isWrong) process.exitCode = 1;
    keepsLogs = isWrong || report.false_failovers > 0;
    if (keepsLogs) say(`logs of the nodes: ${path.relative(process.cwd(), path.join(folder, 'nodes'))}`);
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } catch (thrown) {
    if (!stop.signal.aborted) {
      say(`logs of the nodes: ${path.relative(process.cwd(), path.join(folder, 'nodes'))}`);
      throw thrown;
    }
    keepsLogs = false;
    process.exitCode = 130;
  } finally {
    await stage.close();
    for (const part of ['kafka', 'zookeeper', 'postgres', ...(keepsLogs ? [] : ['nodes', ''])]) {
      await rm(path.join(folder, part), { recursive: true, force: true });
    }
  }
}

/** What a client library may still wait for must not keep a run from ending. */
const endLimit_ms = 5000;

try {
  await main(parseArguments(process.argv.slice(2)));
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    const [message = ''] = (thrown instanceof Error ? thrown.message : String(thrown)).trim().split('\n');
    process.stderr.write(`chaos: ${thrown instanceof NoServers ? 'the servers cannot be started: ' : ''}${message}\n`);
    process.exitCode = thrown instanceof NoServers ? 2 : 1;
  }
}
setTimeout(() => process.exit(), endLimit_ms).unref();
