// What a failover's time goes into, as the successor's log tells it: ms since the fault.
import { readFile } from 'node:fs/promises';

export interface Phases {
  /** The dead active was noticed. */
  readonly claiming: number;
  /** The new epoch was committed. */
  readonly promoting: number;
  /** The first transaction was committed. */
  readonly publishing: number;
  /** Between the two, step by step: name and ms. */
  readonly steps: Readonly<Record<string, number>>;
}

type Phase = Exclude<keyof Phases, 'steps'>;

const steps = ['open_ms', 'verify_ms', 'readBack_ms', 'drain_ms'] as const;

interface LogLine extends Partial<Record<(typeof steps)[number], number>> {
  readonly time: string;
  readonly msg: string;
  readonly role?: string;
}

/** Undefined when the log does not hold all of them: the fault hit something else than a running pair. */
export async function phasesOf(logFile: string, fault_wall_ms: number): Promise<Phases | undefined> {
  const lines = (await readFile(logFile, 'utf8')).trimEnd().split('\n');
  const found: Partial<Record<Phase, number>> = {};
  let took: Record<string, number> = {};
  for (const text of lines) {
    const line = JSON.parse(text) as LogLine;
    const since_ms = Date.parse(line.time) - fault_wall_ms;
    const phase = phaseOf(line.msg, line.role);
    if (phase === undefined || since_ms < 0 || found[phase] !== undefined) continue;
    found[phase] = since_ms;
    if (phase === 'publishing') took = Object.fromEntries(steps.map((step) => [step, line[step] ?? 0]));
  }
  const { claiming, promoting, publishing } = found;
  if (claiming === undefined || promoting === undefined || publishing === undefined) return undefined;
  return { claiming, promoting, publishing, steps: took };
}

function phaseOf(message: string, role: string | undefined): Phase | undefined {
  if (message === 'claiming' || message === 'publishing') return message;
  return message === 'role changed' && role === 'promoting' ? 'promoting' : undefined;
}

export function describePhases(phases: Phases | undefined): string {
  if (phases === undefined) return '';
  const { claiming, promoting, publishing, steps } = phases;
  const times = `${claiming.toFixed(0)} ms claiming, ${promoting.toFixed(0)} promoting, ${publishing.toFixed(0)} publishing`;
  const took = Object.entries(steps).map(([step, took_ms]) => `${step.replace(/_ms$/, '')} ${took_ms.toFixed(1)}`);
  return `; after ${times} (${took.join(', ')})`;
}
