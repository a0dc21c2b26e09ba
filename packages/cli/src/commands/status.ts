// tandem status: asks every node of the pair and says what it found, and what is wrong.
import { findTargets, allAddresses, type TargetOptions } from '../targets.ts';
import { NodeClient } from '../nodes.ts';
import { TandemError, toError } from '@tandem/ports';
import { collectProblems, type NodeStatus, type PairStatus } from '../status/problems.ts';
import { showStatus } from '../status/show.ts';
import type { Terminal } from '../terminal.ts';

export interface StatusOptions extends TargetOptions {
  readonly json?: boolean;
  /** Again every second until a signal comes. */
  readonly watch?: boolean;
}

const watchInterval_ms = 1000;
const clearScreen = '\u001b[H\u001b[2J';

export async function status(options: StatusOptions, terminal: Terminal): Promise<number> {
  if (options.watch === true) return watch(options, terminal);
  const pair = await askPair(options, terminal);
  terminal.out(options.json === true ? `${JSON.stringify(pair, undefined, 2)}\n` : showStatus(pair, Date.now()));
  return exitCode(pair);
}

function exitCode(pair: PairStatus): number {
  return pair.active === null ? 1 : 0;
}

/** One picture a second; a node that is away for a moment is part of the picture. */
async function watch(options: StatusOptions, terminal: Terminal): Promise<number> {
  let code = 1;
  let over = false;
  let wake = (): void => undefined;
  const release = terminal.onSignal(() => {
    over = true;
    wake();
  });
  const isOver = (): boolean => over;
  try {
    while (!isOver()) {
      const pair = await askPair(options, terminal);
      code = exitCode(pair);
      if (options.json === true) terminal.out(`${JSON.stringify(pair)}\n`);
      else terminal.out(`${terminal.interactive ? clearScreen : ''}${showStatus(pair, Date.now())}\n`);
      if (isOver()) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, watchInterval_ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    release();
  }
  return code;
}

/** @throws TandemError for a mistake of the user's, such as a wrong token; what is down is part of the answer. */
export async function askPair(options: TargetOptions, terminal: Terminal): Promise<PairStatus> {
  const targets = await findTargets(options, terminal);
  const addresses = await allAddresses(targets);
  const nodes = await Promise.all(addresses.map((address) => askNode(new NodeClient(address, targets.token))));
  const known = new Map((targets.view?.members ?? []).map(({ address, node }) => [address.replace(/\/+$/, ''), node]));
  const answered = nodes.filter((node) => node.node !== null);
  // The configured address of a node that is not running says nothing about the pair, unless it is a member.
  const shown = nodes.filter((node) => node.node !== null || known.has(node.address) || nodes.length === 1);
  const active = answered.find(({ node }) => node?.role === 'active')?.node ?? null;
  const epochs = [targets.view?.epoch ?? 0, ...answered.map(({ node }) => node?.epoch ?? 0)];
  const epoch = Math.max(...epochs);
  const found: Omit<PairStatus, 'problems'> = {
    pair: answered[0]?.node?.pair ?? null,
    epoch: epoch === 0 ? null : epoch,
    active: active?.node ?? null,
    coordinatorTrouble: targets.coordinatorTrouble ?? null,
    nodes: shown.toSorted((a, b) => (a.node?.node ?? a.address).localeCompare(b.node?.node ?? b.address)),
  };
  return { ...found, problems: collectProblems(found) };
}

async function askNode(client: NodeClient): Promise<NodeStatus> {
  try {
    const node = await client.node();
    const summaries = await client.apps();
    const apps = await Promise.all(summaries.map(({ app }) => client.app(app)));
    return { address: client.address, node, apps, error: null };
  } catch (error) {
    if (error instanceof TandemError && error.blame === 'user') throw error;
    return { address: client.address, node: null, apps: [], error: toError(error).message };
  }
}
