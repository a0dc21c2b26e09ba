// Faults of the connections between one node and one system, or of the link: reset in the middle of an answer, or silent.
import { until } from '@tandem/harness';
import {
  coordinatorOf,
  NotInjected,
  systemsOf,
  type Fault,
  type Resource,
  type RoleName,
  type StackName,
  type System,
} from './fault.ts';

const roles: readonly RoleName[] = ['active', 'passive'];

/** An answer comes at least that often where a connection is in use. */
const answerLimit_ms = 3000;

function parse(target: string): { readonly role: RoleName; readonly to: System | 'link' } {
  const [role, to] = target.split(' to ') as [RoleName, System | 'link'];
  return { role, to };
}

/** What a passive loses is no reason for the active to change its role. */
function explains(target: string, stack: StackName): boolean {
  const { role, to } = parse(target);
  return to === 'link' || (to === coordinatorOf[stack] && role === 'active');
}

function holds(target: string): readonly Resource[] {
  const { to } = parse(target);
  return ['connections', to];
}

const reset: Fault = {
  name: 'reset',
  targets: (stack) =>
    roles.flatMap((role) => systemsOf[stack].map((system) => `${role} to ${system}`)).concat('passive to link'),
  duration_ms: [0, 500],
  holds,
  explainsRoleChange: explains,
  async inject(world, target) {
    const { role, to } = parse(target);
    // The link's gate is the one in front of the active.
    const gate = world.gate(await world.nodes.withRole(to === 'link' ? 'active' : role), to);
    if (gate.connections === 0) throw new NotInjected('there is no connection');
    const before = gate.torn;
    gate.tearAnswers();
    const came = await until({ limit_ms: answerLimit_ms }, () => (gate.torn > before ? true : undefined));
    gate.spareAnswers();
    if (came === undefined) throw new NotInjected('no answer came on any connection');
    return () => Promise.resolve();
  },
};

const cut: Fault = {
  name: 'connection-cut',
  targets: (stack) => roles.flatMap((role) => systemsOf[stack].map((system) => `${role} to ${system}`)),
  duration_ms: [300, 5000],
  holds,
  explainsRoleChange: explains,
  async inject(world, target) {
    const { role, to } = parse(target);
    const gate = world.gate(await world.nodes.withRole(role), to);
    gate.silence();
    return () => {
      gate.heal();
      return Promise.resolve();
    };
  },
};

export const connectionFaults: readonly Fault[] = [reset, cut];
