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

/** The servers have the last word on how long a session lasts. */
export function judgeSession(asked_ms: number, given_ms: number): DoctorFinding[] {
  if (given_ms === asked_ms) return [];
  const what = `sessions last ${showDuration(given_ms)}, and ${showDuration(asked_ms)} was asked for (coordinator.zookeeper.sessionTimeout)`;
  return [
    given_ms > asked_ms
      ? {
          level: 'warning',
          what,
          why: 'an active that hangs, or whose machine is lost, is replaced only when its session is over (one whose process ends is replaced at once)',
          todo: `set minSessionTimeout=${String(asked_ms)} on every server (the default is two ticks of tickTime), or ask for ${showDuration(given_ms)}`,
        }
      : {
          level: 'warning',
          what,
          why: 'a pause that was to be tolerated, of a node, the network or an election of ZooKeeper, ends the session, and the active is replaced',
          todo: `set maxSessionTimeout=${String(asked_ms)} on every server (the default is twenty ticks of tickTime), or ask for ${showDuration(given_ms)}`,
        },
  ];
}

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
  async examine(context, { coordinator }) {
    const { connect, user } = context.system as ZookeeperSystem;
    const findings: DoctorFinding[] = [];
    if (coordinator !== undefined) {
      const asked_ms = sessionTimeoutOf(coordinator);
      findings.push(...judgeSession(asked_ms, await negotiateSession(placeOf(context), asked_ms)));
    }
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
    return findings;
  },
  secrets: (system) => [(system as ZookeeperSystem).password ?? []].flat(),
};
