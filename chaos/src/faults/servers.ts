// Faults of the servers: killed, and started again on the same data.
import { coordinatorOf, systemsOf, type Fault, type System } from './fault.ts';

function kill(system: System): Fault {
  return {
    name: `${system}-kill`,
    targets: (stack) => (systemsOf[stack].includes(system) ? ['server'] : []),
    duration_ms: [500, 6000],
    holds: () => [system],
    explainsRoleChange: (_, stack) => coordinatorOf[stack] === system,
    async inject(world) {
      await world.server(system).kill();
      return () => world.server(system).start();
    },
  };
}

export const serverFaults: readonly Fault[] = [kill('zookeeper'), kill('postgres'), kill('kafka')];
