// Without a screen: kills the active so many times, then reads and checks every output.
import { summarise, until, type Summary } from '@tandem/harness';
import { checkOutputs, computeExpected, countRecords } from './check.ts';
import { outputLogs } from './logs.ts';
import type { Stage } from './stage.ts';

export interface HeadlessResult {
  readonly kills: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly gap_ms: Summary | null;
  readonly postgres: string;
}

const patience_ms = 30_000;

function pause(limit_ms: number, signal: AbortSignal): Promise<undefined> {
  return until({ limit_ms, signal }, () => undefined);
}

export async function runHeadless(
  stage: Stage,
  kills: number,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<HeadlessResult> {
  await stage.begin(signal);
  await outputAfter(stage, performance.now());
  const faults_ms: number[] = [];
  for (let round = 1; round <= kills; round++) {
    const active = await stage.pair.ready(60_000, signal);
    await pause(300 + Math.random() * 1500, signal);
    signal.throwIfAborted();
    const at_ms = performance.now();
    faults_ms.push(at_ms);
    stage.pair.signal(active, 'SIGKILL');
    const successor = await stage.pair.waitActive({ not: active });
    await outputAfter(stage, at_ms);
    stage.pair.start(active);
    say(`kill ${round.toString()} of ${kills.toString()}: ${active} killed, ${successor} active`);
  }
  await stage.pair.ready(60_000, signal);
  await pause(1000, signal);
  const end_ms = performance.now();
  await stage.stopInputs();
  const expected = await computeExpected(stage.logs);
  await drained(stage, expected.outputs);
  const { outputs, lost, duplicated, reordered } = await checkOutputs(stage.logs, expected);
  const gaps_ms = faults_ms.map(
    (at_ms, index) => stage.clock.longestGap_ms(at_ms, faults_ms[index + 1] ?? end_ms) ?? NaN,
  );
  return {
    kills,
    inputs: expected.inputs,
    outputs,
    lost,
    duplicated,
    reordered,
    gap_ms: gaps_ms.length === 0 ? null : summarise(gaps_ms),
    postgres: stage.postgres,
  };
}

async function outputAfter(stage: Stage, at_ms: number): Promise<void> {
  const came = await until({ limit_ms: patience_ms }, () => {
    if (stage.failure !== undefined) throw stage.failure;
    return (stage.clock.last_ms ?? 0) > at_ms ? true : undefined;
  });
  if (came === undefined) throw new Error(`no output for ${(patience_ms / 1000).toString()} s`);
}

/** Until as many outputs are there as are due and none has come for a while; what is missing then is lost. */
async function drained(stage: Stage, due: number): Promise<void> {
  let count = -1;
  for (;;) {
    const before = count;
    count = await countRecords(stage.logs, outputLogs);
    if (count === before) return;
    const enough = count >= due;
    // The first look, or there were more than at the last one: give it time to move again.
    await until({ limit_ms: enough ? 500 : patience_ms, pause_ms: 50 }, async () =>
      (await countRecords(stage.logs, outputLogs)) > count ? true : undefined,
    );
  }
}
