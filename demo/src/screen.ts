// The screen as lines of text: plain ANSI colours, nothing that 80 columns and 24 rows cannot hold.
import type { DemoView, FailoverView } from './view.ts';

const bold = (text: string) => `\x1b[1m${text}\x1b[22m`;
const dim = (text: string) => `\x1b[2m${text}\x1b[22m`;
const green = (text: string) => `\x1b[32m${text}\x1b[39m`;
const yellow = (text: string) => `\x1b[33m${text}\x1b[39m`;
const red = (text: string) => `\x1b[31m${text}\x1b[39m`;

const number = new Intl.NumberFormat('en-GB');

export function render(view: DemoView, columns: number, rows: number): string[] {
  const lines = [
    bold('Tandem') + dim(`  two nodes, one sequence of outputs      ${view.systems}`),
    '',
    dim('node  role       epoch  process   apps'),
    ...view.nodes.map(nodeLine),
    '',
    `counter  ${bold(number.format(view.counter + 1).padStart(13))}   ${number.format(view.rate_per_s)} outputs/s`,
    dim(`inputs   ${number.format(view.sent).padStart(13)}   in this run`),
    '',
    dim(`queued outputs        ${view.nodes.map(({ id }) => id.padStart(9)).join('')}`),
    ...view.queues.map(
      ({ name, depth }) =>
        `  ${name.padEnd(20)}${view.nodes.map(({ id }) => (depth[id] === undefined ? '-' : number.format(depth[id])).padStart(9)).join('')}`,
    ),
    '',
  ];
  const foot = ['', view.message, keysLine(columns)];
  const room = Math.max(0, rows - lines.length - foot.length - 1);
  const failovers = view.failovers.slice(-room).reverse();
  const body =
    failovers.length === 0
      ? [dim(room > 0 ? 'no failover yet: press k' : '')]
      : failovers.slice(0, room).map(failoverLine);
  return [...lines, ...body, ...foot].slice(0, rows).map((line) => clip(line, columns));
}

function nodeLine(node: DemoView['nodes'][number]): string {
  const role = node.frozen ? 'frozen' : !node.alive ? 'dead' : (node.role ?? 'starting');
  const colour =
    role === 'active' ? green : role === 'dead' ? red : role === 'passive' ? (text: string) => text : yellow;
  const epoch = node.epoch === undefined ? '-' : node.epoch.toString();
  const pid = node.alive ? String(node.pid ?? '-') : '-';
  return `${node.id.padEnd(6)}${colour(role.padEnd(11))}${epoch.padEnd(7)}${pid.padEnd(10)}${node.conditions}`;
}

export function failoverLine({ at, text, gap_ms }: FailoverView): string {
  const time = at.toTimeString().slice(0, 8);
  const gap = gap_ms === undefined ? 'outputs are away' : `outputs away for ${Math.round(gap_ms).toString()} ms`;
  return `${time}  ${text}: ${gap}`;
}

function keysLine(columns: number): string {
  const keys: readonly (readonly [string, string])[] = [
    ['k', 'kill -9 active'],
    ['f', 'freeze/thaw'],
    ['s', 'switch over'],
    ['r', 'restart dead'],
    ['q', 'quit'],
  ];
  if (columns < 60) return keys.map(([key]) => bold(key)).join(' ');
  return keys.map(([key, what]) => `${bold(key)} ${dim(what)}`).join('   ');
}

/** To so many visible characters; escape sequences take no room and are never cut. */
export function clip(line: string, columns: number): string {
  let visible = 0;
  let clipped = '';
  for (const [part] of line.matchAll(/\x1b\[[0-9;]*m|[^\x1b]/gu)) {
    if (part.startsWith('\x1b')) clipped += part;
    else if (visible++ < columns) clipped += part;
  }
  return clipped;
}
