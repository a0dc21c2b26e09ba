import { TcpProxy } from '@tandem/harness';
import type { Coordinator } from '@tandem/ports';
import { describeCoordinator } from '@tandem/ports/contract';
import { sharedTestZooKeeper } from '@tandem/stack';
import { createZookeeperCoordinator } from '@tandem/zookeeper';
import { clock, until } from '@tandem/ports/contract';
import { systemAt } from './support/system.ts';

jest.setTimeout(60_000);

const run = `contract-${String(process.pid)}-${String(Date.now())}`;
let pairs = 0;

// Each client has a link of its own to the server, which can be harmed.
describeCoordinator('zookeeper', async () => {
  const { address } = await sharedTestZooKeeper();
  pairs += 1;
  const pair = `${run}-${String(pairs)}`;
  const [host = '', port = ''] = address.split(':');
  const proxies = await Promise.all(Array.from({ length: 4 }, () => TcpProxy.to(host, Number(port))));
  const links = new Map<Coordinator, TcpProxy>();
  const linkOf = (client: Coordinator) => {
    const link = links.get(client);
    if (link === undefined) throw new Error('not one of ours');
    return link;
  };
  return {
    create: () => {
      const proxy = proxies[links.size];
      if (proxy === undefined) throw new Error('more clients than links');
      const system = systemAt(`127.0.0.1:${String(proxy.port)}`);
      const client = createZookeeperCoordinator({ system, pair, sessionTimeout_ms: 1000, clock });
      links.set(client, proxy);
      return client;
    },
    now_ms: () => clock.now_ms(),
    until: (condition) => until(condition),
    settle: (work) => work,
    kill: (client) => {
      linkOf(client).die();
    },
    cut: (client) => {
      linkOf(client).blackHole();
    },
    heal: (client) => {
      linkOf(client).heal();
    },
    loseNextAnswer: (client) => {
      // An active entry, or the record of an app.
      linkOf(client).loseAnswerTo(/"epoch":|"topologyHash":/);
    },
    dispose: async () => {
      await Promise.all([...links.keys()].map((client) => client.leave()));
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
});
