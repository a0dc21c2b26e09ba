// Runs many seeds, over several processes, and gathers what became of them.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Violation } from './checker.ts';
import type { FaultKind } from './faults.ts';
import { scenarioOf } from './scenario.ts';
import { simulate } from './simulation.ts';

export interface Seeds {
  readonly from: number;
  readonly to: number;
}

export interface FailedSeed {
  readonly seed: number;
  /** The first. */
  readonly violation: Violation;
}

export interface SeedsReport {
  readonly seeds: number;
  readonly failed: FailedSeed[];
  readonly inputs: number;
  readonly outputs: number;
  /** At sinks without a fence, with the same id. */
  readonly repeated: number;
  readonly epochs: number;
  readonly faults: number;
}

export const nothing: SeedsReport = { seeds: 0, failed: [], inputs: 0, outputs: 0, repeated: 0, epochs: 0, faults: 0 };

export function sumOf(reports: readonly SeedsReport[]): SeedsReport {
  return reports.reduce(
    (sum, report) => ({
      seeds: sum.seeds + report.seeds,
      failed: [...sum.failed, ...report.failed].sort((a, b) => a.seed - b.seed),
      inputs: sum.inputs + report.inputs,
      outputs: sum.outputs + report.outputs,
      repeated: sum.repeated + report.repeated,
      epochs: sum.epochs + report.epochs,
      faults: sum.faults + report.faults,
    }),
    nothing,
  );
}

/** Every `step`th seed of them, in this process, until one fails, if that is all that is asked. */
export async function runSeeds(
  { from, to }: Seeds,
  options: {
    readonly step?: number;
    readonly kinds?: readonly FaultKind[] | undefined;
    readonly untilFailed?: boolean;
    readonly onFailed?: (failed: FailedSeed) => void;
  },
): Promise<SeedsReport> {
  let report = nothing;
  for (let seed = from; seed <= to; seed += options.step ?? 1) {
    const scenario = scenarioOf(seed, options.kinds);
    const result = await simulate(scenario);
    const [violation] = result.violations;
    const failed = violation === undefined ? [] : [{ seed, violation }];
    for (const one of failed) options.onFailed?.(one);
    const { inputs, outputs, repeated, epochs } = result;
    const faults = scenario.faults.length;
    report = sumOf([report, { seeds: 1, failed, inputs, outputs, repeated, epochs, faults }]);
    if (failed.length > 0 && options.untilFailed === true) break;
  }
  return report;
}

/** The same over as many processes; `command` runs one that prints its report as one line of JSON. */
export async function runSeedsInProcesses(
  { from, to }: Seeds,
  processes: number,
  command: (seeds: Seeds, step: number) => { readonly file: string; readonly args: readonly string[] },
): Promise<SeedsReport> {
  const running = Array.from({ length: Math.min(processes, to - from + 1) }, (_, index) => {
    const { file, args } = command({ from: from + index, to }, processes);
    return reportOf(file, args);
  });
  return sumOf(await Promise.all(running));
}

async function reportOf(file: string, args: readonly string[]): Promise<SeedsReport> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) last = line;
  const code = await ended;
  if (!last.startsWith('{'))
    throw new Error(`a process of the simulation ended (exit code ${String(code)}) without a report`);
  return JSON.parse(last) as SeedsReport;
}
