// tandem status: asks every node of the pair and says what it found, and what is wrong.
import { findTargets, allAddresses, normalised, type TargetOptions } from '../targets.ts';
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

/**
 * One picture a second; a node that is away for a moment is part of the picture. Where there is no screen to draw it
 * on, only when something has changed beside times and positions.
 */
async function watch(options: StatusOptions, terminal: Terminal): Promise<number> {
  const seen = new Set<string>();
  let code = 1;
  let last = '';
  const signal = nextSignal(terminal);
  try {
    for (;;) {
      const pair = await Promise.race([askPair(options, terminal, seen), signal.came]);
      if (pair === undefined) {
        // Nodes that hang would keep the process for seconds.
        terminal.exit(code);
        return code;
      }
      code = exitCode(pair);
      const essence = essenceOf(pair);
      if (options.json === true) terminal.out(`${JSON.stringify(pair)}\n`);
      else if (terminal.screen) terminal.out(`${clearScreen}${showStatus(pair, Date.now())}`);
      else if (essence !== last) terminal.out(`${new Date().toISOString()}\n${showStatus(pair, Date.now())}\n`);
      last = essence;
      if (await signal.cameWithin(watchInterval_ms)) return code;
    }
  } finally {
    signal.release();
  }
}

function nextSignal(terminal: Terminal) {
  let wake = (): void => undefined;
  const came = new Promise<undefined>((resolve) => {
    wake = () => {
      resolve(undefined);
    };
  });
  const release = terminal.onSignal(() => {
    wake();
  });
  const cameWithin = async (limit_ms: number): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, limit_ms, false);
    });
    const answer = await Promise.race([limit, came.then(() => true)]);
    clearTimeout(timer);
    return answer;
  };
  return { came, cameWithin, release };
}

/** What is worth a new picture in a log. */
function essenceOf({ epoch, active, nodes, problems }: PairStatus): string {
  const shown = nodes.map(({ address, node, apps }) => [
    address,
    node && [node.node, node.role, node.epoch, node.link.open],
    apps.map(({ app, condition, output, version, restarts }) => [app, condition, output, version, restarts]),
  ]);
  return JSON.stringify([epoch, active, shown, problems]);
}

/**
 * `seen` are addresses that answered before: asked again, and added to.
 * @throws TandemError for a mistake of the user's, such as a wrong token; what is down is part of the answer.
 */
export async function askPair(
  options: TargetOptions,
  terminal: Terminal,
  seen: Set<string> = new Set(),
): Promise<PairStatus> {
  const targets = await findTargets(options, terminal);
  const addresses = [...new Set([...targets.addresses, ...seen])];
  const askAll = (all: readonly string[]): Promise<NodeStatus[]> =>
    Promise.all(all.map((address) => askNode(new NodeClient(address, targets.token))));
  // At the same time: each may have to wait for a node that hangs.
  const [first, all] = await Promise.all([askAll(addresses), allAddresses({ ...targets, addresses })]);
  const nodes = [...first, ...(await askAll(all.filter((address) => !addresses.includes(address))))];
  const known = new Set(targets.view?.members.map(({ address }) => normalised(address)));
  const answered = nodes.filter((node) => node.node !== null);
  // The configured address of a node that is not running says nothing about the pair, unless it is a member.
  const shown = nodes.filter(
    ({ node, address }) => node !== null || known.has(address) || seen.has(address) || nodes.length === 1,
  );
  for (const { address } of answered) seen.add(address);
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
