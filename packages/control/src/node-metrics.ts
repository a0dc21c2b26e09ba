// The node's numbers as the metrics want them.
import type { AppMetricsInput, Metrics } from './metrics.ts';
import type { Node } from './node.ts';

export function nodeMetrics(node: Node): Metrics {
  return node.parts.createMetrics(() => ({
    pair: node.options.pair,
    node: node.options.node.id,
    incarnation: node.incarnation,
    role: node.state?.role ?? 'joining',
    epoch: node.view?.epoch ?? null,
    coordinatorConnected: node.state !== undefined && node.coordinatorTrouble === undefined,
    linkOpen: node.linkedTo !== undefined,
    promotions: node.promotions,
    failovers: node.failovers,
    apps: [...node.apps.values()].map((app): AppMetricsInput => {
      const state = node.state?.apps[app.name];
      const report = node.persistence.get(app.name)?.report;
      return {
        app: app.name,
        condition: state?.condition ?? 'loading',
        output: state?.output ?? 'closed',
        inSync: app.inSync,
        diverged: state?.diverged ?? false,
        digests: app.digests.counts,
        laneRestarts: app.restarts,
        lanes: app.laneStatuses,
        snapshots: app.snapshotCounts,
        revisions: { stored: report?.stored ?? 0, failed: report?.failed ?? 0, last: report?.last },
      };
    }),
  }));
}
