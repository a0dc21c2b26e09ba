// What the running nodes of a pair tell about themselves that would hurt: unreachable addresses, clocks, versions.
import type { NodeReport } from '@tandem/control';
import type { View } from '@tandem/pair';
import { TandemError, toError, type DoctorFinding } from '@tandem/ports';
import { showDuration } from '@tandem/ports/configuration';
import type { Configuration } from '../configuration/load.ts';
import { NodeClient } from '../nodes.ts';

/** Above it times in logs of the two nodes cannot be compared any more. */
const clocksApart_ms = 500;

export interface NodeClock {
  readonly node: string;
  readonly version: string;
  /** How far the node's clock is ahead of ours, and how wrong that may be: half the round trip. */
  readonly ahead_ms: number;
  readonly doubt_ms: number;
}

export async function examineNodes(configuration: Configuration, view: View): Promise<readonly DoctorFinding[]> {
  const findings: DoctorFinding[] = [];
  const clocks: NodeClock[] = [];
  for (const { node, address } of view.members) {
    try {
      clocks.push(await lookAtClock(new NodeClient(address, configuration.node.token)));
    } catch (thrown) {
      if (!(thrown instanceof TandemError)) throw thrown;
      findings.push({
        level: 'error',
        what: `node ${node} does not answer at ${address}: ${toError(thrown).message}`,
        why: 'the other node reaches it under that address too: no link, so no live sync, and a takeover only by the session time-out',
        todo: 'set node.advertise to an address that is reachable from the other node and from here, and the same node.token on both',
      });
    }
  }
  return [...findings, ...compareClocks(clocks), ...compareVersions(clocks)];
}

async function lookAtClock(client: NodeClient): Promise<NodeClock> {
  // The first answer opens the way; the second is measured.
  await client.node();
  const asked_ms = Date.now();
  const report: NodeReport = await client.node();
  const answered_ms = Date.now();
  const middle_ms = (asked_ms + answered_ms) / 2;
  return {
    node: report.node,
    version: report.runtime,
    ahead_ms: Date.parse(report.time) - middle_ms,
    doubt_ms: (answered_ms - asked_ms) / 2,
  };
}

export function compareClocks(clocks: readonly NodeClock[]): readonly DoctorFinding[] {
  const [first, ...others] = clocks;
  if (first === undefined) return [];
  return others.flatMap((other): DoctorFinding[] => {
    const apart_ms = Math.abs(other.ahead_ms - first.ahead_ms);
    if (apart_ms - first.doubt_ms - other.doubt_ms <= clocksApart_ms) return [];
    return [
      {
        level: 'warning',
        what: `the clocks of ${first.node} and ${other.node} differ by ${showDuration(Math.round(apart_ms))}`,
        why: 'who is active does not depend on it, but the times in logs and revisions of the two nodes cannot be compared',
        todo: 'keep the clocks of both machines in step (chrony, systemd-timesyncd)',
      },
    ];
  });
}

export function compareVersions(nodes: readonly Pick<NodeClock, 'node' | 'version'>[]): readonly DoctorFinding[] {
  const [first, ...others] = nodes;
  if (first === undefined) return [];
  return others
    .filter(({ version }) => version !== first.version)
    .map(({ node, version }) => ({
      level: 'warning',
      what: `${first.node} runs on Node.js ${first.version}, ${node} on ${version}`,
      why: 'both nodes must compute the same from the same inputs, and a runtime may format or sort otherwise in another version',
      todo: 'run both nodes on the same version, except while you upgrade',
    }));
}
