// Faults of node processes: killed, frozen, asked to end.
import type { Fault, RoleName, World } from './fault.ts';

type Who = RoleName | 'both';

async function idsOf(world: World, who: Who): Promise<readonly string[]> {
  if (who === 'both') return world.nodes.ids;
  return [await world.nodes.withRole(who)];
}

const ofNodes = {
  targets: () => ['process'],
  holds: () => ['nodes'] as const,
} satisfies Partial<Fault>;

/** kill -9, and a start some time later. */
function kill(who: Who): Fault {
  return {
    ...ofNodes,
    name: `kill-${who}`,
    duration_ms: [100, 4000],
    explainsRoleChange: () => who !== 'passive',
    async inject(world) {
      const ids = await idsOf(world, who);
      await world.nodes.kill(...ids);
      return () => world.nodes.start(...ids);
    },
  };
}

/** SIGSTOP, and SIGCONT some time later: shorter and longer than a session time-out. */
function stop(who: RoleName): Fault {
  return {
    ...ofNodes,
    name: `stop-${who}`,
    duration_ms: [200, 6000],
    explainsRoleChange: () => who === 'active',
    async inject(world) {
      const ids = await idsOf(world, who);
      for (const id of ids) world.nodes.freeze(id);
      return () => {
        for (const id of ids) world.nodes.thaw(id);
        return Promise.resolve();
      };
    },
  };
}

/** SIGTERM: an orderly end, and a start some time later. */
function term(who: RoleName): Fault {
  return {
    ...ofNodes,
    name: `term-${who}`,
    duration_ms: [100, 3000],
    explainsRoleChange: () => who === 'active',
    async inject(world) {
      const ids = await idsOf(world, who);
      for (const id of ids) await world.nodes.terminate(id);
      return () => world.nodes.start(...ids);
    },
  };
}

export const processFaults: readonly Fault[] = [
  kill('active'),
  kill('passive'),
  kill('both'),
  stop('active'),
  stop('passive'),
  term('active'),
  term('passive'),
];
