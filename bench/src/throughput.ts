// As fast as it goes: input preloaded, fresh state, watched from outside by the committed end of the output log.
import { cpuSeconds, Generator, memoryPeak_mb, readLog, until } from '@tandem/harness';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type pg from 'pg';
import { describeProfile, laneProfile } from './profile.ts';
import { countOf, expectedOutputs, OutputCheck, type Workload } from './reference.ts';
import { partitions, type Stack } from './stack.ts';

export interface ThroughputOptions {
  readonly workload: Workload;
  readonly lanes: number;
  readonly pair: boolean;
  readonly inputs: number;
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
/** No progress for this long: the run has failed. */
const patience_ms = 60_000;

export async function measureThroughput(stack: Stack, options: ThroughputOptions): Promise<ThroughputResult> {
  const { workload, lanes, inputs } = options;
  stack.progress(`preloading ${inputs.toString()} inputs`);
  await preload(stack, inputs);
  const expected = expectedOutputs(workload, inputs, partitions);
  const outputs = countOf(expected);
  if (outputs === 0) throw new Error(`${workload} has no output for ${inputs.toString()} inputs: take more`);
  const client = await stack.client();
  await client.query('CHECKPOINT');
  const profiles = options.profile ? await mkdtemp(path.join(tmpdir(), 'tandem-profile-')) : undefined;
  const pair = await stack.pair({
    ...(profiles !== undefined && { nodeFlags: ['--cpu-prof', '--cpu-prof-dir', profiles] }),
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
  const first = await sampleUntil(client, 1);
  const active = (await pair.active()) ?? 'a';
  const pid = pair.process(active)?.pid ?? 0;
  const cpuBefore_s = await cpuSeconds(pid);
  const half = await sampleUntil(client, Math.ceil(outputs / 2));
  const last = await sampleUntil(client, outputs);
  const cpuAfter_s = await cpuSeconds(pid);
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
    for await (const page of readLog(client, 'out', partition)) for (const record of page) check.take(record);
  }
  const rate = (count: number, took_ms: number) => Math.round((count * 1000) / Math.max(took_ms, samplePause_ms));
  return {
    workload,
    lanes,
    inputs_per_s: rate((inputs * (outputs - first.count)) / outputs, last.at_ms - first.at_ms),
    inputs_per_s_warm: rate((inputs * (outputs - half.count)) / outputs, last.at_ms - half.at_ms),
    cpu_s_per_million: hundredth((((cpuAfter_s ?? NaN) - (cpuBefore_s ?? NaN)) * 1e6) / inputs),
    rss_mb: rss_mb ?? NaN,
    start_to_first_s: hundredth((first.at_ms - started_ms) / 1000),
    ...check.verdict(),
  };
}

async function preload(stack: Stack, inputs: number): Promise<void> {
  const writer = await stack.writer('in', { synchronousCommit: false });
  const generator = new Generator();
  for (let index = 0; index < inputs; index++) {
    const { key, value, ts } = generator.record();
    writer.add(key, value, { timestamp_ms: ts });
    if (writer.pending === flushSize) await writer.flush();
  }
  await writer.flush();
  await writer.close();
  await (await stack.writer('out')).close();
}

interface Sample {
  readonly at_ms: number;
  readonly count: number;
}

/** The first sample with at least so many committed outputs. */
async function sampleUntil(client: pg.Client, target: number): Promise<Sample> {
  let progressAt_ms = performance.now();
  let before = -1;
  const sample = await until({ limit_ms: Infinity, pause_ms: samplePause_ms }, async () => {
    const { rows } = await client.query<{ count: string }>({
      name: 'outputs',
      text: "SELECT sum(next) AS count FROM tandem.head WHERE log = 'out'",
    });
    const at_ms = performance.now();
    const count = Number(rows[0]?.count ?? 0);
    if (count > before) progressAt_ms = at_ms;
    before = count;
    if (at_ms - progressAt_ms > patience_ms) {
      throw new Error(`stuck at ${count.toString()} of ${target.toString()} outputs: see the nodes' logs`);
    }
    return count >= target ? { at_ms, count } : undefined;
  });
  if (sample === undefined) throw new Error('unreachable: there is no limit');
  return sample;
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
