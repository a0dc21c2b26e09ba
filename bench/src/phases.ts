// What a failover's time goes into, as the successor's log tells it: ms since the fault.
import { readFile } from 'node:fs/promises';

export interface Phases {
  /** The dead active was noticed. */
  readonly claiming: number;
  /** The new epoch was committed. */
  readonly promoting: number;
  /** The first transaction was committed. */
  readonly publishing: number;
}

type Phase = keyof Phases;

interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly role?: string;
}

/** Undefined when the log does not hold all of them: the fault hit something else than a running pair. */
export async function phasesOf(logFile: string, fault_wall_ms: number): Promise<Phases | undefined> {
  const text = await readFile(logFile, 'utf8');
  const found: Partial<Record<Phase, number>> = {};
  for (const line of text.trimEnd().split('\n')) {
    const { time, msg, role } = JSON.parse(line) as LogLine;
    const since_ms = Date.parse(time) - fault_wall_ms;
    const phase = phaseOf(msg, role);
    if (phase !== undefined && since_ms >= 0) found[phase] ??= since_ms;
  }
  const { claiming, promoting, publishing } = found;
  if (claiming === undefined || promoting === undefined || publishing === undefined) return undefined;
  return { claiming, promoting, publishing };
}

function phaseOf(message: string, role: string | undefined): Phase | undefined {
  if (message === 'claiming' || message === 'publishing') return message;
  return message === 'role changed' && role === 'promoting' ? 'promoting' : undefined;
}

export function describePhases(phases: Phases | undefined): string {
  if (phases === undefined) return '';
  const { claiming, promoting, publishing } = phases;
  return `; after ${claiming.toFixed(0)} ms claiming, ${promoting.toFixed(0)} promoting, ${publishing.toFixed(0)} publishing`;
}
