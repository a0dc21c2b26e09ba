// Role changes of the active, from the nodes' own logs, and which of them nothing explains.
import type { StackName } from './faults/fault.ts';
import type { Injection } from './injector.ts';
import type { ProcessRun } from './nodes.ts';

/** A node says that its role has changed; time of the wall clock. */
export interface RoleChange {
  readonly node: string;
  readonly at_ms: number;
  readonly from: string;
  readonly role: string;
  readonly epoch: number | undefined;
  readonly why: string;
}

export interface FailoverCount {
  readonly failovers: number;
  /** One line each. */
  readonly falseOnes: readonly string[];
}

/** Of the pair's coordinator, as the harness configures it. */
const sessionTimeout_ms = 1000;
/** For connecting again, claiming and restoring, on a machine that has servers to start at the same time. */
const margin_ms = 4000;
/** Between what a fault does and the note of its time. */
const clockSlack_ms = 50;

interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly role?: string;
  readonly from?: string;
  readonly epoch?: number | null;
  readonly why?: string;
}

/** From one node's log; lines that are no JSON (a crash writes such) are passed over. */
export function roleChangesIn(node: string, log: string): readonly RoleChange[] {
  const changes: RoleChange[] = [];
  for (const text of log.split('\n')) {
    const line = parse(text);
    if (line?.msg !== 'role changed') continue;
    const { time, role = '', from = '', epoch, why = '' } = line;
    changes.push({ node, at_ms: Date.parse(time), from, role, epoch: epoch ?? undefined, why });
  }
  return changes;
}

function parse(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

/**
 * A failover: the active role goes to another run of a process than had it before. The first promotion is none.
 *
 * A false failover: a promotion that no fault explains. A fault explains it when it was in force, or had ended not
 * longer ago than a session time-out and a margin, at the time of the promotion, or when the active before it was lost
 * (its process ended, or it gave its role up); and when it was a fault of the active (killed, stopped, asked to end), of
 * the link between the nodes, or of the coordinator or the active's connection to it. A fault of the passive, of the
 * brokers, of the snapshot store or of a sink explains nothing: the active has no reason to lose its role for it. A
 * promotion of the same run again, which has lost its epoch without a fault, is a false failover too.
 */
export function countFailovers(
  changes: readonly RoleChange[],
  runs: readonly ProcessRun[],
  injections: readonly Injection[],
  stack: StackName,
): FailoverCount {
  const explaining = injections.filter(({ fault, target }) => fault.explainsRoleChange(target, stack));
  const isExplained = (at_ms: number) =>
    explaining.some(
      ({ from_ms, until_ms }) => at_ms >= from_ms - clockSlack_ms && at_ms <= until_ms + sessionTimeout_ms + margin_ms,
    );
  const ordered = [...changes].sort((a, b) => a.at_ms - b.at_ms);
  const promotions = ordered.filter(({ role }) => role === 'promoting');
  const falseOnes: string[] = [];
  let failovers = 0;
  for (const [index, promotion] of promotions.entries()) {
    const before = promotions[index - 1];
    if (before === undefined) continue;
    const run = runOf(runs, promotion);
    const runBefore = runOf(runs, before);
    if (run !== runBefore) failovers++;
    const lostAt_ms = lossOf(before, runBefore, ordered, promotion.at_ms);
    if (isExplained(promotion.at_ms) || isExplained(lostAt_ms)) continue;
    falseOnes.push(
      `${new Date(promotion.at_ms).toISOString()} ${before.node} -> ${promotion.node}, epoch ${String(promotion.epoch)}: ${promotion.why}`,
    );
  }
  return { failovers, falseOnes };
}

function runOf(runs: readonly ProcessRun[], { node, at_ms }: RoleChange): ProcessRun | undefined {
  return runs.findLast((run) => run.node === node && run.from_ms <= at_ms);
}

/** When the active of this promotion was no longer that: as it says, or when its process ended. */
function lossOf(
  promotion: RoleChange,
  run: ProcessRun | undefined,
  ordered: readonly RoleChange[],
  limit_ms: number,
): number {
  const givenUp = ordered.find(
    ({ node, at_ms, from, role }) =>
      node === promotion.node &&
      at_ms > promotion.at_ms &&
      (from === 'active' || from === 'promoting') &&
      role !== 'active' &&
      role !== 'promoting',
  );
  return Math.min(givenUp?.at_ms ?? limit_ms, run?.until_ms ?? limit_ms, limit_ms);
}
