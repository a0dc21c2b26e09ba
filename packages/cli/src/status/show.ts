// Lays a pair's status out for people.
import type { AppReport } from '@tandem/control';
import { roughDuration, roughSize, table } from '../terminal.ts';
import type { NodeStatus, PairStatus } from './problems.ts';

export function showStatus(pair: PairStatus, now_ms: number): string {
  const head = `pair ${pair.pair ?? '?'}   epoch ${pair.epoch === null ? 'none' : String(pair.epoch)}   active ${pair.active ?? 'none'}\n`;
  const parts = [head, nodeTable(pair.nodes, now_ms), appTable(pair.nodes, now_ms), taskTable(pair.nodes)];
  if (pair.problems.length > 0) parts.push(`Problems\n${pair.problems.map((problem) => `  - ${problem}\n`).join('')}`);
  return parts.filter((part) => part !== '').join('\n');
}

function nodeTable(nodes: readonly NodeStatus[], now_ms: number): string {
  if (nodes.length === 0) return '';
  const rows = nodes.map(({ node, address }) =>
    node === null
      ? ['?', 'no answer', '', address, '', '']
      : [
          node.node,
          node.role,
          node.epoch === null ? '-' : String(node.epoch),
          address,
          node.link.open ? 'open' : '-',
          roughDuration(now_ms - Date.parse(node.startedAt)),
        ],
  );
  return table(['NODE', 'ROLE', '>EPOCH', 'ADDRESS', 'LINK', '>UP'], rows);
}

function everyApp(nodes: readonly NodeStatus[]): { readonly node: string; readonly app: AppReport }[] {
  return nodes
    .flatMap(({ node, apps }) => (node === null ? [] : apps.map((app) => ({ node: node.node, app }))))
    .toSorted((a, b) => a.app.app.localeCompare(b.app.app) || a.node.localeCompare(b.node));
}

function appTable(nodes: readonly NodeStatus[], now_ms: number): string {
  const rows = everyApp(nodes).map(({ node, app }) => {
    const { lastRevision, lastAt } = app.persistence;
    const ago = lastAt === null ? '' : ` (${roughDuration(now_ms - Date.parse(lastAt))} ago)`;
    return [
      app.app,
      node,
      app.diverged ? `${app.condition} (diverged)` : app.condition,
      app.output,
      String(app.version),
      String(app.restarts),
      lastRevision === null ? '-' : `${String(lastRevision)}${ago}`,
    ];
  });
  if (rows.length === 0) return '';
  return table(['APP', 'NODE', 'STATE', 'PUBLISHERS', '>VERSION', '>RESTARTS', 'REVISION'], rows);
}

function taskTable(nodes: readonly NodeStatus[]): string {
  const rows = everyApp(nodes).flatMap(({ node, app }) =>
    app.tasks.map((task) => [
      app.app,
      task.task,
      node,
      task.position,
      task.end ?? '?',
      task.lag_inputs === null ? '?' : String(task.lag_inputs),
      showEach(Object.entries(task.published).map(([publisher, at]) => [publisher, at ?? '?'])),
      showQueue(task.queued, task.queued_bytes),
    ]),
  );
  if (rows.length === 0) return '';
  const byTask = rows.toSorted((a, b) => [a[0], a[1], a[2]].join(' ').localeCompare([b[0], b[1], b[2]].join(' ')));
  return table(['APP', 'TASK', 'NODE', '>POSITION', '>END', '>LAG', 'PUBLISHED', 'QUEUED'], byTask);
}

function showEach(entries: readonly (readonly [string, string])[]): string {
  return entries.length === 0 ? '-' : entries.map(([name, value]) => `${name} ${value}`).join(', ');
}

function showQueue(queued: Readonly<Record<string, number>>, size_bytes: number): string {
  const shown = showEach(Object.entries(queued).map(([sink, count]) => [sink, String(count)]));
  return size_bytes === 0 ? shown : `${shown} (${roughSize(size_bytes)})`;
}
