// Where an app began: agreed on once for the pair, in the coordinator, by compare-and-set.
import type { AppName, PublisherName } from '@tandem/pair';
import { TandemError, type AppRecord, type Coordinator, type VersionedAppRecord } from '@tandem/ports';

export type Genesis = VersionedAppRecord;

/** Rounds of compare-and-set before giving up: only two nodes ever write. */
const rounds = 10;

/** Records it unless somebody was first; answers what is recorded. @throws TandemError when the coordinator does not answer. */
export async function agreeOnGenesis(coordinator: Coordinator, app: AppName, record: AppRecord): Promise<Genesis> {
  await coordinator.writeAppRecord(app, record, undefined);
  const found = await coordinator.readAppRecord(app);
  if (found === undefined)
    throw new TandemError('app-record-missing', `the record of app '${app}' vanished while it was written`);
  return found;
}

/** Notes that a publisher's positions have been initialised to genesis: from now on a missing one is a lost one (S9). */
export async function markInitialised(
  coordinator: Coordinator,
  app: AppName,
  publisher: PublisherName,
): Promise<Genesis> {
  for (let round = 0; round < rounds; round++) {
    const found = await coordinator.readAppRecord(app);
    if (found === undefined) break;
    if (found.record.initialised.includes(publisher)) return found;
    const record = { ...found.record, initialised: [...found.record.initialised, publisher] };
    await coordinator.writeAppRecord(app, record, found.version);
  }
  throw new TandemError('app-record-missing', `the record of app '${app}' could not be updated`);
}
