// The faults that strike a simulated pair: when, where, how long.
import type { NodeId } from '@tandem/pair';
import type { Random } from './random.ts';

export const faultKinds = [
  'kill',
  'kill-both',
  'kill-at-message',
  'stop',
  'stop-at-message',
  'terminate',
  'lane-dies',
  'lane-dies-at-message',
  'lane-stops',
  'lane-stops-at-message',
  'switchover',
  'coordinator-away',
  'coordinator-cut',
  'coordinator-slow',
  'session-expires',
  'isolated',
  'store-away',
  'store-cut',
  'store-full',
  'revision-damaged',
  'sinks-blocked',
  'sinks-away',
  'sinks-cut',
  'sinks-slow',
  'log-away',
  'log-cut',
  'log-shortened',
  'link-cut',
  'link-slow',
  'wall-clock-jumps',
  // By a plan of its own: see planDivergence.
  'state-diverges',
] as const;

export type FaultKind = (typeof faultKinds)[number];

export type Direction = 'there' | 'back' | 'both';

export interface Fault {
  readonly kind: FaultKind;
  readonly at_ms: number;
  /** Until it is over: cut, away, stopped, or not started again. */
  readonly for_ms: number;
  /** Where it matters; `active` and `passive`: whoever is when it strikes. */
  readonly node: NodeId;
  readonly direction: Direction;
  /** For those at a message: so many messages after `at_ms`, and whether it has happened by then. */
  readonly messages: number;
  readonly isAfter: boolean;
  /** For clocks: by how much. */
  readonly by_ms: number;
}

/** Against one of every other kind: nothing else shows what goes wrong with the time that authority lasts (S11). */
const isolatedWeight = 5;

const anywhere: readonly NodeId[] = ['active', 'active', 'passive', 'a', 'b'];

/** Some at random times, and some close together. */
export function planFaults(random: Random, end_ms: number, only?: readonly FaultKind[]): readonly Fault[] {
  const kinds = only ?? faultKinds.filter((kind) => kind !== 'state-diverges');
  const faults: Fault[] = [];
  // Half of the seeds have a theme: a few kinds that meet again and again, often at the same node.
  const isThemed = random.chance(0.5);
  const pool = kinds.flatMap((kind) => Array<FaultKind>(kind === 'isolated' ? isolatedWeight : 1).fill(kind));
  const theme = isThemed ? [random.pick(pool), random.pick(pool), random.pick(pool)] : pool;
  const places = isThemed && random.chance(0.5) ? [random.pick(['active', 'passive', 'a', 'b'])] : anywhere;
  const count = 1 + random.below(9);
  let laneFaults = 0;
  let at_ms = random.between(50, 1_200);
  for (let index = 0; index < count && at_ms < end_ms; index++) {
    const picked = random.pick(theme);
    // A lane that fails more often than that is not started again: that is what it says it does.
    const kind = picked.startsWith('lane-') && ++laneFaults > 3 ? 'link-slow' : picked;
    faults.push({
      kind,
      at_ms: Math.round(at_ms),
      for_ms: Math.round(random.chance(0.3) ? random.between(300, 1_800) : random.between(5, 400)),
      node: random.pick(places),
      direction: random.pick<Direction>(['there', 'back', 'both']),
      messages: 1 + random.below(random.chance(0.5) ? 30 : 400),
      isAfter: random.chance(0.5),
      by_ms: Math.round(random.between(-5_000, 5_000)),
    });
    at_ms += random.chance(0.5) ? random.between(0, 150) : random.between(100, 1_200);
  }
  return faults;
}

/**
 * The passive's state goes wrong once, and the active is killed when that must have been noticed: nothing can be done
 * about a state that goes wrong a moment before it is needed.
 */
export function planDivergence(random: Random): readonly Fault[] {
  const plain = { for_ms: 200, direction: 'both', messages: 1, isAfter: false, by_ms: 0 } as const;
  const at_ms = Math.round(random.between(600, 900));
  return [
    { ...plain, kind: 'state-diverges', node: 'passive', at_ms },
    { ...plain, kind: 'kill', node: 'active', at_ms: at_ms + Math.round(random.between(1_000, 1_600)) },
  ];
}

/** For people. */
export function describeFault(fault: Fault): string {
  const { kind, node, direction, for_ms, messages, isAfter, by_ms } = fault;
  const whole = `${String(for_ms)} ms`;
  switch (kind) {
    case 'kill':
    case 'terminate':
      return `${kind} ${node}, started again ${whole} later`;
    case 'kill-both':
      return `kill both, started again ${whole} later and after that`;
    case 'kill-at-message':
    case 'stop-at-message':
    case 'lane-dies-at-message':
    case 'lane-stops-at-message':
      return `${kind} ${node}: ${isAfter ? 'after' : 'before'} message ${String(messages)}, for ${whole}`;
    case 'stop':
      return `stop ${node} for ${whole}`;
    case 'coordinator-cut':
    case 'store-cut':
    case 'sinks-cut':
    case 'log-cut':
    case 'link-cut':
      return `${kind} ${node}, ${direction}, for ${whole}`;
    case 'coordinator-slow':
    case 'sinks-slow':
    case 'link-slow':
    case 'isolated':
    case 'lane-stops':
      return `${kind} ${node} for ${whole}`;
    case 'coordinator-away':
    case 'store-away':
    case 'store-full':
    case 'sinks-away':
    case 'sinks-blocked':
    case 'log-away':
      return `${kind} for ${whole}`;
    case 'wall-clock-jumps':
      return `wall clock of ${node} jumps by ${String(by_ms)} ms`;
    case 'lane-dies':
    case 'state-diverges':
    case 'session-expires':
      return `${kind} ${node}`;
    case 'switchover':
    case 'revision-damaged':
    case 'log-shortened':
      return kind;
  }
}
