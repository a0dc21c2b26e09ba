// tandem reset: forgets what is kept of an app, so that it begins afresh. Only while no node is alive.
import type { Epoch } from '@tandem/pair';
import type { RevisionInfo, VersionedAppRecord } from '@tandem/ports';
import { TandemError } from '@tandem/ports';
import type { Configuration } from '../configuration/load.ts';
import { highestFence, type Fence } from '../lost-coordinator.ts';
import { adapterNamed, contextOf, lookAtPair, makeCoordinator, makeStore, partsOf } from '../systems.ts';
import { configurationOf, type TargetOptions } from '../targets.ts';
import { roughSize, type Terminal } from '../terminal.ts';
import { showPositions } from './snapshot.ts';

export interface ResetOptions extends TargetOptions {
  /** Do not ask. */
  readonly yes?: boolean;
  /** Even while the coordinator knows of a live node. */
  readonly force?: boolean;
  /** Forget what has been published, too. */
  readonly republish?: boolean;
  /** Give up its hold on the records of input logs, too: it does not come back. */
  readonly releaseInputs?: boolean;
}

/** What is kept of an app, and what of it the options ask to delete. */
interface Kept {
  readonly revisions: readonly RevisionInfo[];
  readonly record: VersionedAppRecord | undefined;
  /** Undefined where it stays. */
  readonly published: readonly string[] | undefined;
  readonly inputs: readonly string[];
  /** Set where it has seen an epoch that the coordinator does not know. */
  readonly ahead: Fence | undefined;
  readonly epoch: Epoch | undefined;
}

export async function reset(app: string, options: ResetOptions, terminal: Terminal): Promise<number> {
  const configuration = configurationOf(options, terminal);
  await refuseWhileAlive(configuration, options);

  const store = makeStore(configuration);
  try {
    const coordinator = makeCoordinator(configuration);
    const published = partsOf(configuration, (adapter, context) => adapter.published?.(context));
    const inputs = partsOf(configuration, (adapter, context) => adapter.inputs?.(context));
    const read = async (of: readonly { read(app: string): Promise<readonly string[]> }[]): Promise<string[]> =>
      (await Promise.all(of.map((part) => part.read(app)))).flat();
    const fence = await highestFence(configuration, store, app);
    const { epoch } = await lookAtPair(configuration);
    const kept: Kept = {
      epoch,
      ahead: fence !== undefined && fence.epoch > (epoch ?? 0) ? fence : undefined,
      revisions: await store.list(app),
      record: await coordinator.readAppRecord(app),
      published: options.republish === true ? await read(published) : undefined,
      inputs: await read(inputs),
    };
    refuseNothing(app, configuration, kept, options);
    terminal.out(plan(app, configuration, kept, options));
    if (!(await agreed(app, options, terminal))) {
      terminal.out('nothing was deleted\n');
      return 1;
    }
    await refuseWhileAlive(configuration, options);
    const isReleasing = options.releaseInputs === true;
    if (kept.ahead !== undefined) await raiseEpoch(configuration, kept.ahead.epoch);
    // First, while the revisions still hold what is there; and the record goes last: as long as it is there, a reset
    // that broke off half-way can be repeated.
    if (!isReleasing) for (const hold of inputs) await hold.keepAll(app);
    await store.deleteAll(app);
    if (options.republish === true) for (const state of published) await state.forget(app);
    if (isReleasing) for (const hold of inputs) await hold.release(app);
    await coordinator.deleteAppRecord(app);
    terminal.out(`${app} begins afresh when its nodes start\n`);
    return 0;
  } finally {
    await store.close();
  }
}

async function raiseEpoch(configuration: Configuration, epoch: Epoch): Promise<void> {
  const { adapter, options } = configuration.coordinator;
  await adapterNamed(adapter).coordinator?.raiseEpoch(contextOf(configuration, adapter), options, epoch);
}

async function refuseWhileAlive(configuration: Configuration, options: ResetOptions): Promise<void> {
  const { members } = await lookAtPair(configuration);
  if (members.length === 0 || options.force === true) return;
  const who = members.map(({ node, address }) => `${node} (${address})`).join(' and ');
  const verb = members.length === 1 ? 'is' : 'are';
  const text = `${who} ${verb} alive. Stop every node of pair ${configuration.pair} first; --force resets all the same`;
  throw new TandemError('node-alive', text, { blame: 'user' });
}

function refuseNothing(app: string, { pair }: Configuration, kept: Kept, options: ResetOptions): void {
  const { revisions, record, published = [], inputs, ahead } = kept;
  if (revisions.length > 0 || record !== undefined || published.length > 0 || ahead !== undefined) return;
  if (inputs.length > 0 && options.releaseInputs === true) return;
  const text =
    inputs.length === 0
      ? `nothing is kept of an app '${app}' in pair ${pair}. Apps have the name that defineApp was given`
      : `nothing is kept of app '${app}' in pair ${pair} but its hold on the records of ${inputs.join(', ')}. --release-inputs gives it up`;
  throw new TandemError('no-such-app', text, { blame: 'user' });
}

function plan(app: string, configuration: Configuration, kept: Kept, options: ResetOptions): string {
  const { revisions, record, published, inputs, ahead, epoch } = kept;
  const lines = [`This deletes, of app ${app} in pair ${configuration.pair}:`];
  if (revisions.length === 0) lines.push('  no revision: none is kept');
  for (const { revision, size_bytes, createdAt_ms, positions } of revisions) {
    const at = new Date(createdAt_ms).toISOString();
    lines.push(`  revision ${String(revision)}: ${roughSize(size_bytes)}, taken ${at}, at ${showPositions(positions)}`);
  }
  if (record === undefined) lines.push('  no record of where it began: none is kept');
  else lines.push(`  the record of where it began: ${showPositions(record.record.genesis)}`);
  for (const line of published ?? []) lines.push(`  ${line}`);
  if (options.releaseInputs === true) for (const held of inputs) lines.push(`  its hold on the records of ${held}`);
  lines.push(
    'Its state is lost. It begins again at startFrom, as if it had never run.',
    published === undefined
      ? 'What has been published counts as published: outputs of those inputs are not published again (--republish does).'
      : 'What has been published is forgotten: every output from the beginning is published again, and consumers see duplicates.',
  );
  if (ahead !== undefined) {
    const from = epoch === undefined ? '' : `from ${String(epoch)} `;
    lines.push(`The pair's epoch is raised ${from}to ${String(ahead.epoch)}, which ${ahead.where} has seen.`);
  }
  if (inputs.length > 0 && options.releaseInputs !== true) {
    const stay = `What ${inputs.join(', ')} holds now is kept until it has stored a revision again (--release-inputs lets go).`;
    lines.push(stay);
  }
  return `${lines.join('\n')}\n`;
}

async function agreed(app: string, options: ResetOptions, terminal: Terminal): Promise<boolean> {
  if (options.yes === true) return true;
  if (!terminal.interactive) {
    throw new TandemError('unconfirmed', 'nobody is there to be asked. Add --yes to delete all of this', {
      blame: 'user',
    });
  }
  const answer = await terminal.ask(`Type the app's name to delete all of this: `);
  if (answer === undefined) terminal.out('\n');
  return answer?.trim() === app;
}
