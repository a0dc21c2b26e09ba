// tandem reset: forgets what is kept of an app, so that it begins afresh. Only while no node is alive.
import type { RevisionInfo, VersionedAppRecord } from '@tandem/ports';
import { TandemError } from '@tandem/ports';
import { makeCoordinator, makeStore } from '../composition.ts';
import type { Configuration } from '../configuration/load.ts';
import type { PublishedState } from '../adapters.ts';
import { adapterNamed, configurationOf, contextOf, lookAtPair, type TargetOptions } from '../targets.ts';
import { roughSize, type Terminal } from '../terminal.ts';
import { showPositions } from './snapshot.ts';

export interface ResetOptions extends TargetOptions {
  /** Do not ask. */
  readonly yes?: boolean;
  /** Even while the coordinator knows of a live node. */
  readonly force?: boolean;
  /** Forget what has been published, too. */
  readonly republish?: boolean;
}

export async function reset(app: string, options: ResetOptions, terminal: Terminal): Promise<number> {
  const configuration = configurationOf(options, terminal);
  await refuseWhileAlive(configuration, options);

  const store = makeStore(configuration);
  try {
    const coordinator = makeCoordinator(configuration);
    const republish = options.republish === true;
    const revisions = await store.list(app);
    const record = await coordinator.readAppRecord(app);
    const published = republish ? publishedStates(configuration) : [];
    const publishedLines = (await Promise.all(published.map((state) => state.read(app)))).flat();
    if (revisions.length === 0 && record === undefined && publishedLines.length === 0) {
      const text = `nothing is kept of an app '${app}' in pair ${configuration.pair}. Apps have the name that defineApp was given`;
      throw new TandemError('no-such-app', text, { blame: 'user' });
    }
    terminal.out(plan(app, configuration, revisions, record, republish ? publishedLines : undefined));
    if (!(await agreed(app, options, terminal))) {
      terminal.out('nothing was deleted\n');
      return 1;
    }
    await refuseWhileAlive(configuration, options);
    // The record goes last: as long as it is there, a reset that broke off half-way can be repeated.
    await store.deleteAll(app);
    for (const state of published) await state.forget(app);
    await coordinator.deleteAppRecord(app);
    terminal.out(`${app} begins afresh when its nodes start\n`);
    return 0;
  } finally {
    await store.close();
  }
}

async function refuseWhileAlive(configuration: Configuration, options: ResetOptions): Promise<void> {
  const { members } = await lookAtPair(configuration);
  if (members.length === 0 || options.force === true) return;
  const who = members.map(({ node, address }) => `${node} (${address})`).join(' and ');
  const verb = members.length === 1 ? 'is' : 'are';
  const text = `${who} ${verb} alive. Stop every node of pair ${configuration.pair} first; --force resets all the same`;
  throw new TandemError('node-alive', text, { blame: 'user' });
}

function publishedStates(configuration: Configuration): PublishedState[] {
  return Object.keys(configuration.systems).flatMap(
    (name) => adapterNamed(name).published?.(contextOf(configuration, name)) ?? [],
  );
}

function plan(
  app: string,
  configuration: Configuration,
  revisions: readonly RevisionInfo[],
  record: VersionedAppRecord | undefined,
  published: readonly string[] | undefined,
): string {
  const lines = [`This deletes, of app ${app} in pair ${configuration.pair}:`];
  if (revisions.length === 0) lines.push('  no revision: none is kept');
  for (const { revision, size_bytes, createdAt_ms, positions } of revisions) {
    const at = new Date(createdAt_ms).toISOString();
    lines.push(`  revision ${String(revision)}: ${roughSize(size_bytes)}, taken ${at}, at ${showPositions(positions)}`);
  }
  if (record === undefined) lines.push('  no record of where it began: none is kept');
  else lines.push(`  the record of where it began: ${showPositions(record.record.genesis)}`);
  for (const line of published ?? []) lines.push(`  ${line}`);
  lines.push(
    'Its state is lost. It begins again at startFrom, as if it had never run.',
    published === undefined
      ? 'What has been published counts as published: outputs of those inputs are not published again (--republish does).'
      : 'What has been published is forgotten: every output from the beginning is published again, and consumers see duplicates.',
  );
  return `${lines.join('\n')}\n`;
}

async function agreed(app: string, options: ResetOptions, terminal: Terminal): Promise<boolean> {
  if (options.yes === true) return true;
  if (!terminal.interactive) {
    throw new TandemError('unconfirmed', 'nobody is there to be asked. Add --yes to delete all of this', {
      blame: 'user',
    });
  }
  return (await terminal.ask(`Type the app's name to delete all of this: `)).trim() === app;
}
