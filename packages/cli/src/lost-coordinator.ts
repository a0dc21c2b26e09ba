// A coordinator that knows less than the fences it stands over has lost what it kept, or is that of another pair: its
// next epochs would be refused, or taken for those of long ago (S1).
import type { AppName, Epoch } from '@tandem/pair';
import { TandemError, type SnapshotStore } from '@tandem/ports';
import type { Configuration } from './configuration/load.ts';
import { lookAtPair, makeCoordinator, makeStore, partsOf } from './systems.ts';

export interface Fence {
  readonly where: string;
  readonly epoch: Epoch;
}

/** Of all that refuses older epochs of the app, what has seen the highest. */
export async function highestFence(
  configuration: Configuration,
  store: SnapshotStore,
  app: AppName,
): Promise<Fence | undefined> {
  const published = partsOf(configuration, (adapter, context) => {
    const state = adapter.published?.(context);
    return state && { where: `publisher '${adapter.name}'`, state };
  });
  const seen = [
    { where: 'the snapshot store', epoch: await store.highestEpoch(app) },
    ...(await Promise.all(
      published.map(async ({ where, state }) => ({ where, epoch: await state.highestEpoch(app) })),
    )),
  ];
  return seen.reduce<Fence | undefined>(
    (highest, { where, epoch }) => (epoch !== undefined && epoch > (highest?.epoch ?? 0) ? { where, epoch } : highest),
    undefined,
  );
}

/** @throws TandemError `coordinator-behind` (user). */
export async function refuseLostCoordinator(configuration: Configuration, apps: readonly AppName[]): Promise<void> {
  const store = makeStore(configuration);
  try {
    // The coordinator is asked last: meanwhile it can only learn of more than they have seen.
    const seen = await Promise.all(
      apps.map(async (app) => ({
        app,
        fence: await highestFence(configuration, store, app),
        hasRevisions: (await store.list(app)).length > 0,
      })),
    );
    const coordinator = makeCoordinator(configuration);
    const { epoch } = await lookAtPair(configuration);
    const lost: { readonly app: AppName; readonly what: string }[] = [];
    for (const { app, fence, hasRevisions } of seen) {
      if (fence !== undefined && fence.epoch > (epoch ?? 0)) {
        const known = epoch === undefined ? 'knows no epoch' : `is at epoch ${String(epoch)}`;
        lost.push({ app, what: `${known}, but ${fence.where} has seen epoch ${String(fence.epoch)} of app '${app}'` });
      } else if (hasRevisions && (await coordinator.readAppRecord(app)) === undefined) {
        lost.push({ app, what: `does not know where app '${app}' began, but the snapshot store has revisions of it` });
      }
    }
    const [first] = lost;
    if (first === undefined) return;
    const resets = lost.map(({ app }) => `'tandem reset ${app}'`).join(' and ');
    throw new TandemError(
      'coordinator-behind',
      `the coordinator (${configuration.coordinator.adapter}) of pair ${configuration.pair} ${first.what}: it has lost what it kept, or is another one. Restore or correct it, or give up the state with ${resets}`,
      { blame: 'user' },
    );
  } finally {
    await store.close();
  }
}
