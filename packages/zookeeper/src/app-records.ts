// What a pair agreed on once per app: small znodes, written by compare-and-set on their version.
import type { AppName } from '@tandem/pair';
import type { AppRecord, VersionedAppRecord } from '@tandem/ports';
import type { ChangeOutcome } from './connection.ts';
import { readRecord } from './entries.ts';
import { catchUp, type Visit } from './guest.ts';

/** @throws TandemError `app-record-unreadable` */
export async function readApp(
  { connection, znodes, access }: Visit,
  app: AppName,
): Promise<VersionedAppRecord | undefined> {
  const path = znodes.app(app);
  const [, found] = await Promise.all([catchUp(connection, znodes, access), connection.read(path)]);
  return found && { version: found.version, record: readRecord(path, found.text) };
}

/** `repeated`: the answer of an earlier try was lost, so a next version that holds exactly this counts as ours. */
export async function writeApp(
  { connection, znodes, access }: Visit,
  app: AppName,
  record: AppRecord,
  expectedVersion: number | undefined,
  repeated: boolean,
): Promise<boolean> {
  const path = znodes.app(app);
  const text = JSON.stringify(record);
  let outcome: ChangeOutcome;
  if (expectedVersion === undefined) {
    outcome = await connection.change(
      [
        { step: 'create', path, text, kind: 'kept' },
        { step: 'set', path, text },
      ],
      access.own,
    );
  } else outcome = await connection.write(path, text, expectedVersion);
  if (outcome === 'done' || !repeated) return outcome === 'done';
  const stored = await connection.read(path);
  return stored?.version === (expectedVersion ?? 0) + 1 && stored.text === text;
}

export async function deleteApp({ connection, znodes, access }: Visit, app: AppName): Promise<void> {
  await connection.change([{ step: 'remove', path: znodes.app(app) }], access.own);
}
