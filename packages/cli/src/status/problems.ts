// What the nodes of a pair said, and what is wrong with it, worst first.
import type { AppReport, NodeReport } from '@tandem/control';

export interface NodeStatus {
  readonly address: string;
  /** Null when it did not answer. */
  readonly node: NodeReport | null;
  readonly apps: readonly AppReport[];
  readonly error: string | null;
}

export interface PairStatus {
  readonly pair: string | null;
  readonly epoch: number | null;
  /** The node that says that it is active. */
  readonly active: string | null;
  /** Why the coordinator did not answer this command; null also where it was not asked. */
  readonly coordinatorTrouble: string | null;
  readonly nodes: readonly NodeStatus[];
  readonly problems: readonly string[];
}

type Found = Omit<PairStatus, 'problems'>;

export function collectProblems(found: Found): string[] {
  const problems = [...pairProblems(found), ...found.nodes.flatMap(nodeProblems), ...differences(found)];
  return [...new Set(problems)];
}

function pairProblems({ nodes, active, coordinatorTrouble }: Found): string[] {
  const problems: string[] = [];
  const running = nodes.filter(({ node }) => node !== null);
  const actives = nodes.filter(({ node }) => node?.role === 'active').map(({ node }) => node?.node ?? '');
  if (active === null) problems.push('no node is active: nothing is published');
  if (actives.length > 1) {
    problems.push(`${actives.join(' and ')} both say that they are active; the one of the older epoch is fenced`);
  }
  if (running.length === 1 && active !== null) {
    problems.push('only one node is running: there is nobody to take over');
  }
  if (coordinatorTrouble !== null) problems.push(`the coordinator does not answer: ${coordinatorTrouble}`);
  return problems;
}

function nodeProblems({ node, address, apps, error }: NodeStatus): string[] {
  if (node === null) return [error ?? `${address} does not answer`];
  const problems: string[] = [];
  if (!node.coordinator.connected) {
    problems.push(`${node.node}: no connection to the coordinator${detail(node.coordinator.detail)}`);
  }
  if (node.role === 'passive' && !node.link.open) problems.push(`${node.node}: no link to the active node`);
  for (const app of apps) problems.push(...appProblems(node, app));
  const said = problems.join('\n');
  for (const trouble of node.troubles) {
    // A node repeats its coordinator's, its apps' and its persistence's troubles.
    const core = trouble.replace(/^(coordinator|app [^:]+): /, '');
    if (!said.includes(core.replace(/^last revision not stored: /, ''))) problems.push(`${node.node}: ${trouble}`);
  }
  return problems;
}

function appProblems(node: NodeReport, app: AppReport): string[] {
  const who = `${node.node}: app ${app.app}`;
  const problems: string[] = [];
  if (app.diverged) {
    problems.push(`${who} has diverged and is ${app.condition}${detail(app.reason)}`);
  } else if (app.condition === 'failed' || app.condition === 'inactive') {
    problems.push(`${who} is ${app.condition}${detail(app.reason)}`);
  } else if (app.condition === 'replaying') {
    problems.push(`${who} is not in sync: it is still catching up`);
  }
  if (node.role === 'active' && app.output !== 'live' && app.condition !== 'failed') {
    problems.push(`${who} is not publishing: its publishers are ${app.output}`);
  }
  for (const trouble of app.troubles) problems.push(`${who}: ${trouble}`);
  const paused = app.tasks.filter((task) => task.paused).map(({ task }) => task);
  if (paused.length > 0) problems.push(`${who}: input of ${paused.join(', ')} is paused, its output queue is full`);
  if (app.persistence.lastError !== null) {
    problems.push(`${who}: the last revision was not stored: ${app.persistence.lastError}`);
  }
  return problems;
}

function detail(text: string | null): string {
  return text === null || text === '' ? '' : `: ${text}`;
}

/** What has to be the same on all nodes and is not. */
function differences({ nodes }: Found): string[] {
  const problems: string[] = [];
  const names = new Set(nodes.flatMap(({ apps }) => apps.map(({ app }) => app)));
  for (const name of names) {
    const copies = nodes.flatMap(({ node, apps }) => {
      const app = apps.find((one) => one.app === name);
      return node === null ? [] : [{ node: node.node, app }];
    });
    const without = copies.filter(({ app }) => app === undefined).map(({ node }) => node);
    if (without.length > 0) problems.push(`app ${name} does not run on ${without.join(' and ')}`);
    const versions = new Set(copies.flatMap(({ app }) => (app === undefined ? [] : [app.version])));
    if (versions.size > 1) {
      const each = copies.flatMap(({ node, app }) => (app === undefined ? [] : [`${String(app.version)} on ${node}`]));
      problems.push(`app ${name} runs in version ${each.join(' and ')}: an upgrade that is not finished`);
    }
  }
  return problems;
}
