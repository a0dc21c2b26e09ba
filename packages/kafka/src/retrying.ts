// Asks again, for a limited time, what a cluster refuses for the moment: leaders move, coordinators load, connections break.
import type { Clock } from '@tandem/ports';
import type { Cluster, CoordinatorOf } from './cluster.ts';
import { BrokerError, ConnectionLost, isPassing, isStaleCoordinator, isStaleLeader } from './errors.ts';

/** What to look for again when the answer says that it has moved. */
export interface Stale {
  readonly topic?: string;
  readonly coordinator?: { readonly of: CoordinatorOf; readonly id: string };
}

const first_ms = 1;
const growth = 1.5;
const most_ms = 100;
/** A coordinator that still writes the end of the last transaction needs a moment only. */
const mostWhileEnding_ms = 5;

/** Tries until it is answered or refused for good, at most `limit_ms`; then throws what came last. */
export async function persistently<T>(
  cluster: Cluster,
  stale: Stale,
  limit_ms: number,
  attempt: () => Promise<T>,
): Promise<T> {
  const end_ms = cluster.clock.now_ms() + limit_ms;
  for (let pause_ms = first_ms; ; pause_ms *= growth) {
    try {
      return await attempt();
    } catch (thrown) {
      const isPassingNow =
        thrown instanceof ConnectionLost || (thrown instanceof BrokerError && isPassing(thrown.error));
      if (!isPassingNow || cluster.isClosed) throw thrown;
      forget(cluster, stale, thrown);
      const isEnding = thrown instanceof BrokerError && thrown.error === 'CONCURRENT_TRANSACTIONS';
      pause_ms = Math.min(pause_ms, isEnding ? mostWhileEnding_ms : most_ms);
      if (cluster.clock.now_ms() + pause_ms >= end_ms) throw thrown;
      await pause(cluster.clock, pause_ms);
    }
  }
}

/** Has the cluster look again for what the error says has moved. */
export function forget(cluster: Cluster, { topic, coordinator }: Stale, thrown: unknown): void {
  const isLost = thrown instanceof ConnectionLost;
  const error = thrown instanceof BrokerError ? thrown.error : '';
  if (topic !== undefined && (isLost || isStaleLeader(error))) cluster.forgetTopic(topic);
  if (coordinator !== undefined && (isLost || isStaleCoordinator(error))) {
    cluster.forgetCoordinator(coordinator.of, coordinator.id);
  }
}

export async function pause(clock: Clock, wait_ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    clock.after(wait_ms, resolve);
  });
}
