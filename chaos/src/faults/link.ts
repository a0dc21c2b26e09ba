// Faults of the link between the nodes: silent, slow, or refused as by a firewall.
import type { Direction, Gate } from '@tandem/harness';
import { type Fault, type World } from './fault.ts';

/** By target: which way nothing, or everything late, gets through. The passive connects, so the target is the active. */
const ways: Readonly<Record<string, readonly Direction[]>> = {
  'both ways': ['to-target', 'from-target'],
  'to the active': ['to-target'],
  'from the active': ['from-target'],
};

const delays_ms: Readonly<Record<string, number>> = { '50 ms': 50, '400 ms': 400, '1500 ms': 1500 };

function gates(world: World): readonly Gate[] {
  return world.nodes.ids.map((id) => world.gate(id, 'link'));
}

function heal(world: World): () => Promise<void> {
  return () => {
    for (const gate of gates(world)) gate.heal();
    return Promise.resolve();
  };
}

const ofTheLink = {
  holds: () => ['link'] as const,
  explainsRoleChange: () => true,
} satisfies Partial<Fault>;

const cut: Fault = {
  ...ofTheLink,
  name: 'link-cut',
  targets: () => Object.keys(ways),
  duration_ms: [300, 6000],
  inject(world, target) {
    for (const gate of gates(world)) gate.silence(...(ways[target] ?? []));
    return Promise.resolve(heal(world));
  },
};

const delay: Fault = {
  ...ofTheLink,
  name: 'link-delay',
  targets: () => Object.keys(ways).flatMap((way) => Object.keys(delays_ms).map((late) => `${way}, ${late}`)),
  duration_ms: [1000, 6000],
  inject(world, target) {
    const [way = '', late = ''] = target.split(', ');
    for (const gate of gates(world)) gate.delay(delays_ms[late] ?? 0, ...(ways[way] ?? []));
    return Promise.resolve(heal(world));
  },
};

const refuse: Fault = {
  ...ofTheLink,
  name: 'link-refuse',
  targets: () => ['both ways'],
  duration_ms: [300, 3000],
  inject(world) {
    for (const gate of gates(world)) gate.refuse();
    return Promise.resolve(heal(world));
  },
};

export const linkFaults: readonly Fault[] = [cut, delay, refuse];
