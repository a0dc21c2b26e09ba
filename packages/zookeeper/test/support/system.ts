// The part of a configuration that names a server, as the schema leaves it.
import { zookeeperSystemSchema, type ZookeeperSystem } from '@tandem/zookeeper';

export function systemAt(
  connect: string,
  login: { readonly user?: string; readonly password?: string } = {},
): ZookeeperSystem {
  return zookeeperSystemSchema.parse({ connect, ...login });
}
