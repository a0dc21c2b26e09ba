// ZooKeeper as the coordinator.
import { showDuration } from '@tandem/ports/configuration';
import type { DoctorFinding } from '@tandem/ports';
import {
  askServer,
  createZookeeperCoordinator,
  negotiateSession,
  prepareZookeeper,
  raiseEpoch,
  zookeeperCoordinatorSchema,
  zookeeperSystemSchema,
  type GuestOptions,
  type ZookeeperCoordinatorSettings,
  type ZookeeperSystem,
} from '@tandem/zookeeper';
import type { Adapter, SystemContext } from '../adapters.ts';

const placeOf = ({ system, pair, clock }: SystemContext): GuestOptions => ({
  system: system as ZookeeperSystem,
  pair,
  clock,
});

const sessionTimeoutOf = (options: unknown): number => (options as ZookeeperCoordinatorSettings).sessionTimeout;

export const zookeeper: Adapter = {
  name: 'zookeeper',
  system: zookeeperSystemSchema,
  coordinator: {
    schema: zookeeperCoordinatorSchema,
    sessionTimeout_ms: sessionTimeoutOf,
    negotiate: (context, options) => negotiateSession(placeOf(context), sessionTimeoutOf(options)),
    create: (context, options) =>
      createZookeeperCoordinator({ ...placeOf(context), sessionTimeout_ms: sessionTimeoutOf(options) }),
    raiseEpoch: (context, _options, epoch) => raiseEpoch(placeOf(context), epoch),
  },
  prepare: (context) => prepareZookeeper(placeOf(context)),
  async reach(context) {
    const { server, version, leastSession_ms, mostSession_ms } = await askServer(placeOf(context));
    const what = version === undefined ? 'ZooKeeper (it does not tell its version)' : `ZooKeeper ${version}`;
    return `${what} at ${server}, sessions of ${showDuration(leastSession_ms)} to ${showDuration(mostSession_ms)}`;
  },
  examine(context) {
    const { connect, user } = context.system as ZookeeperSystem;
    const findings: DoctorFinding[] = [];
    if (connect.servers.length === 1) {
      findings.push({
        level: 'note',
        what: 'zookeeper.connect names one server',
        why: 'while it is away the active goes on, but nobody can take over',
        todo: 'run an ensemble of three, and name all of them',
      });
    }
    if (user === undefined) {
      findings.push({
        level: 'note',
        what: 'the znodes of this pair are open to everybody who reaches ZooKeeper',
        why: 'whoever writes to them can stop the pair, or have two nodes claim in turns',
        todo: 'set zookeeper.user and zookeeper.password, and let only the nodes reach its port',
      });
    }
    return Promise.resolve(findings);
  },
  secrets: (system) => [(system as ZookeeperSystem).password ?? []].flat(),
};
