// Reads what the coordinator knows of a pair: several znodes, one after the other, so what was read is looked at for
// changes in between.
import type { Member, View } from '@tandem/pair';
import type { Connection, Znode } from './connection.ts';
import { readActive, readEpoch, readMember } from './entries.ts';
import type { Znodes } from './znodes.ts';

export interface PairState {
  readonly view: View;
  /** Of the epoch's znode. */
  readonly epochVersion: number;
  /** Whether there is an active entry, whoever wrote it. */
  readonly hasActive: boolean;
}

const mostReads = 3;

export interface ReadOptions {
  /**
   * Called at most once for each of the three nodes that a view is made of: claims change the epoch, the end of a
   * session removes its entries.
   */
  readonly onChange?: () => void;
  /** Members that are probably there, so that all is read in one round. */
  readonly expected?: readonly Member[];
}

/** Undefined: there is no such pair yet. */
export async function readPairState(
  connection: Connection,
  znodes: Znodes,
  options: ReadOptions = {},
): Promise<PairState | undefined> {
  for (let reads = 1; ; reads += 1) {
    const found = await readOnce(connection, znodes, options);
    if (found === undefined || found.isWhole || reads === mostReads) return found?.state;
  }
}

/**
 * The epoch first: an active entry of a later epoch then tells that a claim came in between. A holder that is no
 * member tells that its session ended in between. Either is read again; an active entry only ever counts in its epoch.
 */
async function readOnce(
  connection: Connection,
  znodes: Znodes,
  { onChange, expected = [] }: ReadOptions,
): Promise<{ readonly state: PairState; readonly isWhole: boolean } | undefined> {
  const guesses = new Map<string, Promise<Znode | undefined>>();
  const answers = Promise.all([
    connection.read(znodes.epoch, onChange),
    connection.read(znodes.active, onChange),
    connection.children(znodes.members, onChange),
  ]);
  for (const { node } of expected) guesses.set(node, connection.read(znodes.member(node)));
  const [epochNode, activeNode, names = []] = await Promise.all([answers, ...guesses.values()]).then(([all]) => all);
  if (epochNode === undefined) return undefined;
  const entries = await Promise.all(names.map((name) => guesses.get(name) ?? connection.read(znodes.member(name))));
  const members = entries.flatMap((entry) => (entry && readMember(entry.text)) ?? []);
  const epoch = readEpoch(znodes.epoch, epochNode.text);
  const entry = activeNode && readActive(activeNode.text);
  const active = entry?.epoch === epoch ? entry : undefined;
  const isMember = members.some(({ incarnation }) => incarnation === entry?.incarnation);
  return {
    state: {
      view: { epoch, active: active && withoutEpoch(active), members },
      epochVersion: epochNode.version,
      hasActive: activeNode !== undefined,
    },
    isWhole: entry === undefined || (active !== undefined && isMember),
  };
}

const withoutEpoch = ({ node, incarnation, address }: Member): Member => ({ node, incarnation, address });
