// Which fault comes when, where and for how long: determined by the seed, the kinds and the stack alone.
import type { Fault, Resource, StackName } from './faults/fault.ts';
import { SeededRandom } from './random.ts';

export interface Planned {
  readonly fault: Fault;
  readonly target: string;
  /** Since the beginning of the run. */
  readonly at_ms: number;
  readonly duration_ms: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  /** Of the run: faults end before it does. */
  readonly length_ms: number;
  readonly stack: StackName;
  readonly kinds: readonly Fault[];
}

/** Undisturbed at the beginning, so that outputs flow. */
const settle_ms = 2000;
/** From one fault to the next: several may be in force at once. */
const pause_ms = [500, 4000] as const;

/**
 * How long what a fault held is left alone afterwards: a node that was started joins and syncs, a server warms up. Now
 * and then less than it takes.
 */
const rest_ms: Readonly<Record<Resource, number>> = {
  nodes: 3000,
  link: 2000,
  connections: 1000,
  load: 2000,
  kafka: 8000,
  zookeeper: 4000,
  postgres: 4000,
};

/**
 * In the order of their times. Each kind comes once before any comes again. A longer run begins with the faults of a
 * shorter one of the same seed, kinds and stack.
 * @throws RangeError when no kind has a target on this stack
 */
export function makeSchedule({ seed, length_ms, stack, kinds }: ScheduleOptions): readonly Planned[] {
  const random = new SeededRandom(seed);
  const possible = kinds.filter((kind) => kind.targets(stack).length > 0);
  if (possible.length === 0) throw new RangeError(`none of these faults is possible on stack ${stack}`);
  const planned: Planned[] = [];
  const freeAt_ms = new Map<Resource, number>();
  let bag: Fault[] = [];
  for (let earliest_ms = settle_ms; ;) {
    if (bag.length === 0) bag = random.shuffle(possible);
    const fault = bag.shift();
    if (fault === undefined) return planned;
    const target = random.pick(fault.targets(stack));
    const duration_ms = random.between(...fault.duration_ms);
    const held = fault.holds(target);
    const at_ms = Math.max(earliest_ms, ...held.map((resource) => freeAt_ms.get(resource) ?? 0));
    if (at_ms + duration_ms > length_ms) return planned;
    planned.push({ fault, target, at_ms, duration_ms });
    for (const resource of held) freeAt_ms.set(resource, at_ms + duration_ms + rest_ms[resource]);
    earliest_ms = at_ms + random.between(...pause_ms);
  }
}

export function describePlanned({ fault, target, at_ms, duration_ms }: Planned): string {
  return `${(at_ms / 1000).toFixed(1).padStart(7)} s  ${fault.name} (${target}) for ${duration_ms.toString()} ms`;
}
