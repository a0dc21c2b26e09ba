// Makes a pair's znodes where they are missing.
import type { Connection } from './connection.ts';
import { epochText } from './entries.ts';
import type { Access, Znodes } from './znodes.ts';

/**
 * Harmless to repeat. The epoch comes last and tells that all is there. Its version is 1 from the start (made and
 * written in one step), for the client library takes a check of version 0 for a check of none.
 */
export async function makeLayout(connection: Connection, znodes: Znodes, access: Access): Promise<void> {
  const epoch = await connection.read(znodes.epoch);
  if (epoch === undefined) {
    for (const path of znodes.shared) await makeFolder(connection, path, access.shared);
    for (const path of [znodes.pair, znodes.members, znodes.apps]) await makeFolder(connection, path, access.own);
    const text = epochText(undefined);
    await connection.change(
      [
        { step: 'create', path: znodes.epoch, text, kind: 'kept' },
        { step: 'set', path: znodes.epoch, text },
      ],
      access.own,
    );
  } else if (epoch.version === 0) {
    // Made by hand.
    await connection.write(znodes.epoch, epoch.text, 0);
  }
}

/** Looks first: where it is there, the right to make it is not needed. */
async function makeFolder(connection: Connection, path: string, acls: Access['own']): Promise<void> {
  if ((await connection.read(path)) !== undefined) return;
  const outcome = await connection.change([{ step: 'create', path, text: '', kind: 'kept' }], acls);
  if (outcome === 'no-node') throw new Error(`${path} cannot be made: the folder above it has gone`);
}
