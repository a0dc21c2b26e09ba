// What a seed means: the set-up of a pair, its load, and the faults that strike it.
import { taskId, type NodeId, type TaskId } from '@tandem/pair';
import { planDivergence, planFaults, type Fault, type FaultKind } from './faults.ts';
import { Random } from './random.ts';

export const nodeIds: readonly NodeId[] = ['a', 'b'];

export interface Scenario {
  readonly seed: number;
  /** Faults come only before this; what is fed comes before it too. */
  readonly faultsEnd_ms: number;
  readonly partitions: number;
  readonly lanes: number;
  /** A second app runs beside the first, and an input breaks it. */
  readonly withBrittle: boolean;
  /** One sink of the first app has no fence. */
  readonly withUnfenced: boolean;
  readonly fence: 'epoch' | 'opening';
  readonly activeEndsWithSession: boolean;
  readonly liveSync: boolean;
  readonly sessionTimeout_ms: number;
  readonly persistence: { readonly interval_ms: number; readonly keep: number };
  readonly queueLimit_bytes: number;
  readonly publishMaxOutputs: number;
  /** Inputs arrive in bursts this far apart at most. */
  readonly burstEvery_ms: number;
  /** Of all messages, those that take some milliseconds. */
  readonly lateShare: number;
  /** Of the nodes' monotonic clocks. */
  readonly rates: readonly number[];
  readonly faults: readonly Fault[];
}

/** Of every app: one for each partition of its only source. */
export function tasksOf({ partitions }: Pick<Scenario, 'partitions'>): readonly TaskId[] {
  return Array.from({ length: partitions }, (_, partition) => taskId('in', partition));
}

/** @throws RangeError for an unknown kind of fault. */
export function scenarioOf(seed: number, kinds?: readonly FaultKind[]): Scenario {
  const random = new Random(`scenario ${String(seed)}`);
  const faultsEnd_ms = random.between(2_000, 4_500);
  const withUnfenced = random.chance(0.4);
  const diverges = kinds === undefined && random.of('divergence').chance(0.08);
  return {
    seed,
    faultsEnd_ms: diverges ? Math.max(faultsEnd_ms, 3_200) : faultsEnd_ms,
    partitions: 1 + random.below(3),
    lanes: random.chance(0.3) ? 2 : 1,
    withBrittle: random.chance(0.25),
    withUnfenced,
    fence: random.chance(0.5) ? 'epoch' : 'opening',
    activeEndsWithSession: random.chance(0.5),
    // Without it there is nothing to compare with.
    liveSync: random.chance(0.8) || diverges,
    sessionTimeout_ms: 400,
    persistence: { interval_ms: random.between(150, 900), keep: 1 + random.below(3) },
    queueLimit_bytes: random.chance(0.3) ? 600 + random.below(1_500) : 1 << 20,
    publishMaxOutputs: random.chance(0.5) ? 4 + random.below(8) : 100,
    burstEvery_ms: burstEvery_ms(random, withUnfenced, diverges),
    lateShare: !diverges && random.chance(0.3) ? random.between(0.1, 0.4) : 0.03,
    rates: nodeIds.map(() => random.between(0.97, 1.03)),
    faults: diverges ? planDivergence(random.of('faults')) : planFaults(random.of('faults'), faultsEnd_ms, kinds),
  };
}

/** Requests to a sink without a fence go one after another, and digests are taken every so many inputs. */
function burstEvery_ms(random: Random, withUnfenced: boolean, diverges: boolean): number {
  if (diverges) return random.between(8, 20);
  return random.chance(0.12) && !withUnfenced ? random.between(4, 15) : random.between(20, 120);
}
