// Servers and the processes that use them: started by the first, ended with the last.
import { mkdir, stat } from 'node:fs/promises';
import { addOwner, otherOwners, removeOwner, withLock, type Guarded } from '@tandem/embedded';

/** Others may be fetching jars and starting three brokers on a busy machine. */
const lockLimit_ms = 5 * 60_000;

/**
 * Runs `start` while nobody else starts or stops the servers of this folder. This process is an owner from before they
 * start: whenever it is killed, its guard ends what there is.
 */
export async function startOwned<T>(
  folder: string,
  guarded: Guarded | 'keep running',
  start: () => Promise<T>,
): Promise<T> {
  await mkdir(folder, { recursive: true });
  return await withLock(
    folder,
    async () => {
      const added = guarded === 'keep running' ? false : await addOwner(folder, guarded);
      try {
        return await start();
      } catch (thrown) {
        if (added) await removeOwner(folder);
        throw thrown;
      }
    },
    lockLimit_ms,
  );
}

export async function whileLocked<T>(folder: string, work: () => Promise<T>): Promise<T> {
  return await withLock(folder, work, lockLimit_ms);
}

/** Lets go of the servers and stops them unless another process uses them. */
export async function release(folder: string, stop: () => Promise<void>): Promise<void> {
  // Somebody may have removed the folder after an earlier stop.
  if ((await stat(folder).catch(() => undefined)) === undefined) return;
  await whileLocked(folder, async () => {
    await removeOwner(folder);
    if ((await otherOwners(folder)) === 0) await stop();
  });
}
