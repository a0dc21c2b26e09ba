// What the HTTP doors answer, read from the running node.
import { isIP } from 'node:net';
import type { Member } from '@tandem/pair';
import { toError } from '@tandem/ports';
import { z } from 'zod';
import type { NodeApp } from './app.ts';
import type {
  AppReport,
  AppSummary,
  DigestReport,
  NodeDoors,
  NodeReport,
  PairReport,
  RevisionReport,
  SwitchoverReport,
} from './api.ts';
import { nodeMetrics } from './node-metrics.ts';
import type { Node } from './node.ts';

const roleAnswer = z.object({
  incarnation: z.string(),
  role: z.enum(['joining', 'syncing', 'passive', 'promoting', 'active', 'demoting', 'stopped']),
});

const switchoverAnswer = z.object({
  outcome: z.enum(['done', 'refused', 'expired']),
  detail: z.string(),
  took_ms: z.number(),
});

export function nodeDoors(node: Node): NodeDoors {
  const { options } = node;
  const { host } = options.node.listen;
  const metrics = nodeMetrics(node);
  return {
    token: options.node.token,
    loopback: host === 'localhost' || (isIP(host) !== 0 && (host.startsWith('127.') || host === '::1')),
    node: () => nodeReport(node),
    pair: () => pairReport(node),
    apps: () => [...node.apps.values()].map((app) => summary(node, app)),
    app: (name) => Promise.resolve(withApp(node, name, (app) => appReport(node, app))),
    published: (name) =>
      withApp(node, name, (app) => ({
        app: name,
        epoch: node.view?.epoch ?? null,
        published: Object.fromEntries(app.published),
      })),
    revisions: (name) => revisions(node, name),
    revision: (name, revision) => withApp(node, name, () => options.store.read(name, revision)),
    snapshot: (name) => withApp(node, name, (app) => app.snapshot()),
    persist: async (name) => node.persistence.get(name)?.now(),
    switchover: () => switchover(node),
    metrics: () => metrics.scrape(),
    ready: () => ready(node),
    started: () => started(node),
  };
}

function withApp<T>(node: Node, name: string, look: (app: NodeApp) => T): T | undefined {
  const app = node.apps.get(name);
  return app === undefined ? undefined : look(app);
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

function nodeReport(node: Node): NodeReport {
  const { options, state } = node;
  const trouble = node.coordinatorTrouble;
  return {
    pair: options.pair,
    node: options.node.id,
    incarnation: node.incarnation,
    address: node.listening ? node.address : '',
    role: state?.role ?? 'joining',
    epoch: state?.view?.epoch ?? null,
    startedAt: iso(node.startedAt_ms),
    time: iso(options.clock.wall_ms()),
    runtime: process.versions.node,
    coordinator: { connected: state !== undefined && trouble === undefined, detail: trouble ?? null },
    link: { open: node.linkedTo !== undefined, peer: node.linkedTo ?? null },
    troubles: troubles(node),
  };
}

function troubles(node: Node): string[] {
  const found: string[] = [];
  if (node.coordinatorTrouble !== undefined) found.push(`coordinator: ${node.coordinatorTrouble}`);
  if (node.linkTrouble !== undefined) found.push(`link: ${node.linkTrouble}`);
  for (const app of node.apps.values()) {
    const state = node.state?.apps[app.name];
    if (state?.reason !== undefined) found.push(`app ${app.name}: ${state.reason}`);
    for (const status of app.statuses) for (const trouble of status.troubles) found.push(`app ${app.name}: ${trouble}`);
    const error = node.persistence.get(app.name)?.report.lastError;
    if (error !== undefined) found.push(`app ${app.name}: last revision not stored: ${error}`);
  }
  return found;
}

async function pairReport(node: Node): Promise<PairReport> {
  const { view } = node;
  const members = view?.members ?? [];
  return {
    pair: node.options.pair,
    epoch: view?.epoch ?? null,
    active: view?.active?.node ?? null,
    members: await Promise.all(members.map(async (member) => ({ ...member, role: await roleOf(node, member) }))),
  };
}

async function roleOf(node: Node, member: Member) {
  if (member.incarnation === node.incarnation) return node.state?.role ?? null;
  try {
    const answer = roleAnswer.parse(
      await node.parts.network.ask(member.address, {
        method: 'GET',
        path: '/v1/node',
        token: node.options.node.token,
        limit_ms: 1_000,
      }),
    );
    return answer.incarnation === member.incarnation ? answer.role : null;
  } catch {
    return null;
  }
}

function summary(node: Node, app: NodeApp): AppSummary {
  const state = node.state?.apps[app.name];
  return {
    app: app.name,
    version: app.options.description.version,
    condition: state?.condition ?? 'loading',
    output: state?.output ?? 'closed',
    reason: state?.reason ?? null,
    diverged: state?.diverged ?? false,
    restarts: app.restarts,
  };
}

function appReport(node: Node, app: NodeApp): AppReport {
  const persistence = node.persistence.get(app.name)?.report;
  return {
    ...summary(node, app),
    topologyHash: app.options.description.topologyHash,
    lanes: app.options.lanes.length,
    inSync: app.inSync,
    tasks: app.statuses.flatMap((status) => status.tasks),
    metrics: app.statuses.map((status) => status.metrics),
    troubles: app.statuses.flatMap((status) => status.troubles),
    digests: digestReport(app),
    persistence: {
      lastRevision: persistence?.last?.revision ?? null,
      lastAt: persistence?.last === undefined ? null : iso(persistence.last.at_ms),
      lastError: persistence?.lastError ?? null,
    },
  };
}

function digestReport(app: NodeApp): DigestReport {
  const { taken, compared, divergences, lastDivergence: last, verified } = app.digests.counts;
  const lastDivergence = last === undefined ? null : { task: last.task, position: last.position, what: last.what };
  return { taken, compared, divergences, lastDivergence, verified };
}

async function revisions(node: Node, name: string): Promise<readonly RevisionReport[] | undefined> {
  if (!node.apps.has(name)) return undefined;
  const kept = await node.options.store.list(name);
  return kept.map((revision) => ({
    revision: revision.revision,
    appVersion: revision.appVersion,
    epoch: revision.epoch,
    size_bytes: revision.size_bytes,
    createdAt: iso(revision.createdAt_ms),
    positions: revision.positions,
  }));
}

/** On a passive the request goes on to the active. */
async function switchover(node: Node): Promise<SwitchoverReport> {
  const began_ms = node.options.clock.now_ms();
  const active = node.view?.active;
  if (active !== undefined && active.incarnation !== node.incarnation) {
    const request = { method: 'POST', path: '/v1/pair/switchover', token: node.options.node.token } as const;
    try {
      return switchoverAnswer.parse(await node.parts.network.ask(active.address, request));
    } catch (thrown) {
      return { outcome: 'refused', detail: toError(thrown).message, took_ms: node.options.clock.now_ms() - began_ms };
    }
  }
  const outcome = await node.switchover();
  return { ...outcome, took_ms: Math.round(node.options.clock.now_ms() - began_ms) };
}

/** Ready: it has joined, its coordinator answers, and every app is in sync or publishing. */
function ready(node: Node): { ok: boolean; why: string } {
  const { state } = node;
  if (state === undefined) return { ok: false, why: 'joining' };
  if (node.coordinatorTrouble !== undefined)
    return { ok: false, why: `degraded: coordinator: ${node.coordinatorTrouble}` };
  for (const [name, app] of Object.entries(state.apps)) {
    if (app.condition !== 'in-sync' && app.output !== 'live') {
      return { ok: false, why: `app ${name} is ${app.condition}${app.reason === undefined ? '' : `: ${app.reason}`}` };
    }
  }
  return state.role === 'active' || state.role === 'passive'
    ? { ok: true, why: '' }
    : { ok: false, why: `role ${state.role}` };
}

function started(node: Node): { ok: boolean; why: string } {
  const role = node.state?.role;
  return role === undefined || role === 'joining' ? { ok: false, why: 'joining' } : { ok: true, why: '' };
}
