// tandem doctor: looks at everything that a configuration names, in use, and says what would hurt one day.
import { TandemError, toError, type DoctorFinding } from '@tandem/ports';
import type { Configuration } from '../configuration/load.ts';
import { hide } from '../configuration/secrets.ts';
import { examineNodes } from '../doctor/nodes.ts';
import { useOf } from '../doctor/use.ts';
import { adapterNamed, contextOf, lookAtPair } from '../systems.ts';
import { configurationOf, type TargetOptions } from '../targets.ts';
import type { Terminal } from '../terminal.ts';

export interface DoctorOptions extends TargetOptions {
  readonly json?: boolean;
}

interface PlacedFinding extends DoctorFinding {
  /** The system, or `nodes`. */
  readonly where: string;
}

const order = ['error', 'warning', 'note'] as const;

/** Exit code 1 when there is an error: the pair cannot keep its promises as it is. */
export async function doctor(options: DoctorOptions, terminal: Terminal): Promise<number> {
  const configuration = configurationOf(options, terminal);
  const looked: string[] = [];
  const findings: PlacedFinding[] = [];
  for (const name of Object.keys(configuration.systems)) {
    const { reached, found } = await examineSystem(configuration, name);
    if (reached !== undefined) looked.push(reached);
    findings.push(...found.map((finding) => ({ where: name, ...finding })));
  }
  const nodes = await examinePair(configuration);
  looked.push(nodes.reached);
  findings.push(...nodes.found.map((finding) => ({ where: 'nodes', ...finding })));
  const sorted = order
    .flatMap((level) => findings.filter((finding) => finding.level === level))
    .map((finding) => ({ ...finding, what: hide(finding.what, configuration.secrets) }));
  if (options.json === true) terminal.out(`${JSON.stringify({ looked, findings: sorted }, undefined, 2)}\n`);
  else terminal.out(show(looked, sorted));
  return sorted.some(({ level }) => level === 'error') ? 1 : 0;
}

interface Examined {
  readonly reached: string | undefined;
  readonly found: readonly DoctorFinding[];
}

async function examineSystem(configuration: Configuration, name: string): Promise<Examined> {
  const adapter = adapterNamed(name);
  const context = contextOf(configuration, name);
  let reached: string | undefined;
  try {
    reached = hide(await adapter.reach(context), configuration.secrets);
    return { reached, found: (await adapter.examine?.(context, useOf(configuration, name))) ?? [] };
  } catch (thrown) {
    if (!(thrown instanceof TandemError)) throw thrown;
    const found = {
      level: 'error',
      what: thrown.message,
      why: 'what cannot be reached from here was not looked at',
      todo: 'start it, or correct its address, and ask again',
    } as const;
    return { reached, found: [found] };
  }
}

async function examinePair(configuration: Configuration): Promise<Examined & { readonly reached: string }> {
  try {
    const view = await lookAtPair(configuration);
    const names = view.members.map(({ node }) => node);
    if (names.length === 0) return { reached: 'no node of the pair is running: clocks were not compared', found: [] };
    return { reached: `nodes ${names.join(', ')}`, found: await examineNodes(configuration, view) };
  } catch (thrown) {
    const why = hide(toError(thrown).message, configuration.secrets);
    return { reached: `the nodes are not known, because the coordinator does not tell: ${why}`, found: [] };
  }
}

function show(looked: readonly string[], findings: readonly PlacedFinding[]): string {
  const lines = looked.map((one) => `looked at ${one}`);
  for (const { level, where, what, why, todo } of findings) {
    lines.push('', `${level}: ${where}: ${what}`, `  why: ${why}`, `  do: ${todo}`);
  }
  const counts = order.map((level) => [level, findings.filter((one) => one.level === level).length] as const);
  const summary = counts.map(([level, count]) => `${String(count)} ${level}${count === 1 ? '' : 's'}`).join(', ');
  return `${[...lines, '', findings.length === 0 ? 'nothing that would hurt' : summary].join('\n')}\n`;
}
