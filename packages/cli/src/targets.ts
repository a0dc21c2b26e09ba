// Finds the nodes that a command is about: from --url, else from the configuration and the coordinator's view.
import type { View } from '@tandem/pair';
import { TandemError, toError } from '@tandem/ports';
import { adapters } from './adapters.ts';
import { loadConfiguration, type Configuration } from './configuration/load.ts';
import { hide } from './configuration/secrets.ts';
import { NodeClient } from './nodes.ts';
import { lookAtPair } from './systems.ts';
import type { Terminal } from './terminal.ts';

export const defaultFile = './tandem.yaml';

export interface TargetOptions {
  readonly config?: string;
  readonly url?: string;
  readonly token?: string;
}

export interface Targets {
  readonly addresses: readonly string[];
  readonly token: string | undefined;
  /** The coordinator's view; undefined when it was not asked (`--url`) or did not answer. */
  readonly view: View | undefined;
  /** Why the coordinator did not answer. */
  readonly coordinatorTrouble: string | undefined;
}

export function configurationFile(options: TargetOptions, { environment }: Pick<Terminal, 'environment'>): string {
  return options.config ?? environment['TANDEM_CONFIG'] ?? defaultFile;
}

export function configurationOf(options: TargetOptions, terminal: Terminal): Configuration {
  return loadConfiguration(configurationFile(options, terminal), terminal.environment, adapters);
}

export async function findTargets(options: TargetOptions, terminal: Terminal): Promise<Targets> {
  const url = options.url ?? terminal.environment['TANDEM_URL'];
  const token = options.token ?? terminal.environment['TANDEM_TOKEN'];
  if (url !== undefined) return { addresses: [normalised(url)], token, view: undefined, coordinatorTrouble: undefined };

  const configuration = configurationOf(options, terminal);
  let view: View | undefined;
  let coordinatorTrouble: string | undefined;
  try {
    view = await lookAtPair(configuration);
  } catch (error) {
    coordinatorTrouble = hide(toError(error).message, configuration.secrets);
  }
  const { listen, advertise } = configuration.node;
  const own = advertise ?? (listen.port === 0 ? undefined : `http://${urlHost(listen.host)}:${String(listen.port)}`);
  const addresses = [...(view?.members.map(({ address }) => address) ?? []), ...(own === undefined ? [] : [own])];
  return {
    addresses: [...new Set(addresses.map(normalised))],
    token: options.token ?? configuration.node.token ?? token,
    view,
    coordinatorTrouble,
  };
}

/** Without the slash at its end that some write. */
export const normalised = (address: string): string => address.replace(/\/+$/, '');

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Those given and every other member they know of. Nodes that do not answer are left in. */
export async function allAddresses({ addresses, token }: Targets): Promise<readonly string[]> {
  const found = new Set(addresses);
  const reports = await Promise.allSettled(addresses.map((address) => new NodeClient(address, token).pair()));
  for (const report of reports) {
    if (report.status === 'fulfilled') for (const { address } of report.value.members) found.add(normalised(address));
  }
  return [...found];
}

/** The first node that answers; an answer that refuses (a wrong token) counts as one. */
export async function anyNode(targets: Targets): Promise<NodeClient> {
  let last: TandemError | undefined;
  for (const address of targets.addresses) {
    const client = new NodeClient(address, targets.token);
    try {
      await client.node();
      return client;
    } catch (error) {
      if (!(error instanceof TandemError) || error.blame === 'user') throw error;
      last = error;
    }
  }
  if (targets.addresses.length > 1) {
    const text = `no node answers at ${targets.addresses.join(' or ')}. Start one, or name another with --url`;
    throw new TandemError('node-unreachable', text, { cause: last });
  }
  if (last === undefined) {
    throw new TandemError(
      'node-unreachable',
      'no node of this pair is running, as far as the coordinator knows. Start one with tandem run',
    );
  }
  throw last;
}

/** The node that is active. @throws TandemError `no-active`. */
export async function activeNode(targets: Targets): Promise<NodeClient> {
  const seen = await anyNode(targets);
  const pair = await seen.pair();
  const active =
    pair.members.find((member) => member.role === 'active') ?? pair.members.find(({ node }) => node === pair.active);
  if (active === undefined) {
    throw new TandemError('no-active', `pair ${pair.pair} has no active node at the moment. See tandem status`);
  }
  return new NodeClient(active.address, targets.token);
}
