// As fast as it goes: input preloaded, fresh state, watched from outside by the committed end of the output log.
import { cpuSeconds, Generator, memoryPeak_mb, until } from '@tandem/harness';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeProfile, laneProfile } from './profile.ts';
import { countOf, expectedOutputs, OutputCheck, type Workload } from './reference.ts';
import { partitions, type Stack } from './stack.ts';

export interface ThroughputOptions {
  readonly workload: Workload;
  readonly lanes: number;
  readonly pair: boolean;
  readonly inputs: number;
  /** The node's `digest.every`; undefined: its default. */
  readonly digestEvery?: number;
  /** Says where the lane's time goes; it takes some itself. */
  readonly profile: boolean;
}

export interface ThroughputResult {
  readonly workload: Workload;
  readonly lanes: number;
  readonly inputs_per_s: number;
  readonly inputs_per_s_warm: number;
  readonly cpu_s_per_million: number;
  readonly rss_mb: number;
  readonly start_to_first_s: number;
  readonly outputs: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrong: number;
}

const flushSize = 5000;
const samplePause_ms = 10;
/** No output for this long after there were enough, marks of transactions counted in: that was all. */
const calm_ms = 2000;
/** No progress for this long: the run has failed. */
const patience_ms = 60_000;

export async function measureThroughput(stack: Stack, options: ThroughputOptions): Promise<ThroughputResult> {
  const { workload, lanes, inputs } = options;
  stack.progress(`preloading ${inputs.toString()} inputs`);
  await preload(stack, inputs);
  const expected = expectedOutputs(workload, inputs, partitions);
  const outputs = countOf(expected);
  if (outputs === 0) throw new Error(`${workload} has no output for ${inputs.toString()} inputs: take more`);
  await (await stack.client()).query('CHECKPOINT');
  const profiles = options.profile ? await mkdtemp(path.join(tmpdir(), 'tandem-profile-')) : undefined;
  const pair = await stack.pair({
    ...(profiles !== undefined && { nodeFlags: ['--cpu-prof', '--cpu-prof-dir', profiles] }),
    ...(options.digestEvery !== undefined && { settings: { digest: { every: options.digestEvery } } }),
    nodes: options.pair ? ['a', 'b'] : ['a'],
    apps: [
      {
        module: 'apps/workloads/app.ts',
        export: workload.toLowerCase(),
        lanes,
        partitions,
        sources: { in: 'in' },
        sinks: { out: 'out' },
      },
    ],
  });
  const started_ms = performance.now();
  for (const id of pair.ids) pair.start(id);
  const first = (await sampleUntil(stack, ({ end }) => end > 0)).at(-1) ?? nothing;
  const active = (await pair.active()) ?? 'a';
  const pid = pair.process(active)?.pid ?? 0;
  const samples = await sampleUntil(stack, ({ end, at_ms }, before) => end >= outputs && at_ms - before > calm_ms, pid);
  const last = samples.at(-1) ?? nothing;
  const half = samples.find(({ end }) => end >= last.end / 2) ?? nothing;
  const cpu_s = last.cpu_s - (samples[0]?.cpu_s ?? NaN);
  const rss_mb = await memoryPeak_mb(pid);
  if (profiles !== undefined) {
    // Profiles are written at a node's end.
    for (const id of pair.ids) await pair.process(id)?.stop();
    for (const line of describeProfile(await laneProfile(profiles), inputs)) stack.progress(line);
    await rm(profiles, { recursive: true });
  }
  stack.progress('checking the outputs');
  const check = new OutputCheck(workload, expected);
  for (let partition = 0; partition < partitions; partition++) {
    for await (const page of stack.logs.read('out', partition)) for (const record of page) check.take(record);
  }
  // By how far the end of the outputs has moved: it may count markers of transactions too, evenly over the run.
  const rateSince = (since: Sample) =>
    Math.round(
      (inputs * (last.end - since.end) * 1000) / last.end / Math.max(last.at_ms - since.at_ms, samplePause_ms),
    );
  return {
    workload,
    lanes,
    inputs_per_s: rateSince(first),
    inputs_per_s_warm: rateSince(half),
    cpu_s_per_million: hundredth((cpu_s * 1e6) / inputs),
    rss_mb: rss_mb ?? NaN,
    start_to_first_s: hundredth((first.at_ms - started_ms) / 1000),
    ...check.verdict(),
  };
}

async function preload(stack: Stack, inputs: number): Promise<void> {
  const writer = await stack.writer('in', { fast: true });
  const generator = new Generator();
  for (let index = 0; index < inputs; index++) {
    const { key, value, ts } = generator.record();
    writer.add(key, value, { timestamp_ms: ts });
    if (writer.pending === flushSize) await writer.flush();
  }
  await writer.flush();
  await writer.close();
  await stack.logs.create('out', partitions);
}

interface Sample {
  readonly at_ms: number;
  /** Sum of the committed ends of the output log. */
  readonly end: number;
  /** Of the watched process so far. */
  readonly cpu_s: number;
}

const nothing: Sample = { at_ms: NaN, end: NaN, cpu_s: NaN };

/**
 * Looks again and again until `isDone`, which is given the newest look and when the end moved last.
 * @returns a sample for each time that the end had moved.
 */
async function sampleUntil(
  stack: Stack,
  isDone: (now: Omit<Sample, 'cpu_s'>, movedAt_ms: number) => boolean,
  pid = 0,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  let movedAt_ms = performance.now();
  await until({ limit_ms: Infinity, pause_ms: samplePause_ms }, async () => {
    const end = (await stack.logs.ends('out', partitions)).reduce((sum, one) => sum + one, 0);
    const at_ms = performance.now();
    if (end > (samples.at(-1)?.end ?? 0)) {
      movedAt_ms = at_ms;
      samples.push({ at_ms, end, cpu_s: pid === 0 ? NaN : ((await cpuSeconds(pid)) ?? NaN) });
    }
    if (at_ms - movedAt_ms > patience_ms) {
      throw new Error(`stuck at ${end.toString()} outputs: see the nodes' logs`);
    }
    return isDone({ at_ms, end }, movedAt_ms) ? true : undefined;
  });
  return samples;
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
