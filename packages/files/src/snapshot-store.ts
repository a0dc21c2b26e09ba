// Revisions in a folder: `<folder>/<pair>/<app>/revision-<n>`. What makes them safe is in app-folder.ts; here is in
// which order it is done.
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { AppName, Epoch, TaskId } from '@tandem/pair';
import {
  TandemError,
  type RevisionHead,
  type RevisionInfo,
  type SnapshotStore,
  type WriteOutcome,
} from '@tandem/ports';
import { AppFolder } from './app-folder.ts';
import { codeOf } from './durable.ts';
import { storeError } from './error.ts';
import { encodeName } from './names.ts';
import { readContent, writeAbout, writeContent } from './revision.ts';

export interface FilesSnapshotStoreOptions {
  /** Absolute; made when something is written. */
  readonly folder: string;
  readonly pair: string;
}

export function createFilesSnapshotStore(options: FilesSnapshotStoreOptions): SnapshotStore {
  return new FilesSnapshotStore(options);
}

class FilesSnapshotStore implements SnapshotStore {
  readonly #options: FilesSnapshotStoreOptions;
  readonly #calls = new Set<Promise<unknown>>();
  /** Parts of ours that could not be removed at the time. */
  readonly #left = new Set<string>();
  #isClosing = false;

  constructor(options: FilesSnapshotStoreOptions) {
    this.#options = options;
  }

  async write(
    head: RevisionHead,
    content: AsyncIterable<Uint8Array>,
    positions: () => Readonly<Record<TaskId, string>>,
  ): Promise<WriteOutcome> {
    return await this.#call(async () => {
      const app = this.#app(head.app);
      const refused = await newerThan(head.epoch, app);
      if (refused !== undefined) return refused;
      await this.#removeLeft();
      const part = await app.makePart(head.epoch);
      try {
        return await this.#writePart(app, part, head, content, positions);
      } catch (thrown) {
        // Cleared away by a newer epoch, most likely.
        const overtaken = codeOf(thrown) === 'ENOENT' ? await newerThan(head.epoch, app) : undefined;
        if (overtaken === undefined) throw thrown;
        return overtaken;
      } finally {
        // Renamed, there is nothing of this name.
        await this.#remove(part);
      }
    });
  }

  async list(app: AppName): Promise<readonly RevisionInfo[]> {
    return await this.#call(async () => (await this.#app(app).revisions()).map(({ info }) => info));
  }

  async *read(app: AppName, revision: number): AsyncGenerator<Uint8Array> {
    const folder = this.#app(app);
    const what = `revision ${String(revision)} of app '${app}' in ${folder.path}`;
    const missing = (): TandemError => new TandemError('revision-missing', `${what} is not in the store`);
    try {
      const found = await folder.revision(revision);
      if (found === undefined) throw missing();
      if (found === 'damaged') {
        const text = `${what} is damaged: what is written of it fails its checksum. Use another revision`;
        throw new TandemError('snapshot-corrupt', text);
      }
      yield* readContent(folder.revisionPath(revision), found);
    } catch (thrown) {
      // Pruned since it was looked for.
      throw codeOf(thrown) === 'ENOENT' ? missing() : storeError(thrown, this.#options.folder);
    }
  }

  async prune(app: AppName, keep: number): Promise<readonly number[]> {
    if (!Number.isInteger(keep) || keep < 1)
      throw new RangeError(`must keep at least one revision, not ${String(keep)}`);
    return await this.#call(async () => {
      const folder = this.#app(app);
      const surplus = (await folder.revisions()).slice(keep).map(({ info }) => info.revision);
      const removed = await folder.remove(surplus);
      await folder.clear();
      await this.#removeLeft();
      return removed;
    });
  }

  async highestEpoch(app: AppName): Promise<Epoch | undefined> {
    return await this.#call(() => this.#app(app).highestEpoch());
  }

  async deleteAll(app: AppName): Promise<number> {
    return await this.#call(async () => {
      const folder = this.#app(app);
      await folder.rememberNumbers();
      const all = (await folder.revisions()).map(({ info }) => info.revision);
      const removed = await folder.remove(all);
      await folder.clear();
      return removed.length;
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#calls);
  }

  /** Durable before it can be seen, and seen only while no newer epoch has written. */
  async #writePart(
    app: AppFolder,
    part: string,
    head: RevisionHead,
    content: AsyncIterable<Uint8Array>,
    positions: () => Readonly<Record<TaskId, string>>,
  ): Promise<WriteOutcome> {
    const written = await writeContent(part, content, () => {
      this.#refuseClosing();
    });
    const { app: name, appVersion, topologyHash, epoch } = head;
    const { size_bytes } = written;
    const info = { app: name, appVersion, topologyHash, epoch, positions: positions(), size_bytes };
    await writeAbout(part, { ...info, createdAt_ms: Date.now() }, written);
    // Once this is durable every older epoch that looks is refused.
    const overtaken = await newerThan(epoch, app);
    if (overtaken !== undefined) return overtaken;
    await app.raiseEpoch(epoch);
    let refused: WriteOutcome | undefined;
    const revision = await app.keep(part, async () => {
      refused = await newerThan(epoch, app);
      return refused === undefined;
    });
    if (revision === undefined) return refused ?? { outcome: 'fenced', byEpoch: undefined };
    // A newer epoch may have written between the last look and the renaming.
    const late = await newerThan(epoch, app);
    if (late !== undefined) {
      await app.remove([revision]);
      return late;
    }
    return { outcome: 'stored', revision, size_bytes };
  }

  #app(app: AppName): AppFolder {
    return new AppFolder(path.join(this.#options.folder, encodeName(this.#options.pair), encodeName(app)));
  }

  async #removeLeft(): Promise<void> {
    for (const part of this.#left) await this.#remove(part);
  }

  async #remove(part: string): Promise<void> {
    try {
      await rm(part, { recursive: true, force: true });
      this.#left.delete(part);
    } catch {
      this.#left.add(part);
    }
  }

  #refuseClosing(): void {
    if (this.#isClosing) throw new TandemError('store-closed', 'the snapshot store is being closed');
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseClosing();
    const call = work();
    this.#calls.add(call);
    try {
      return await call;
    } catch (thrown) {
      throw storeError(thrown, this.#options.folder);
    } finally {
      this.#calls.delete(call);
    }
  }
}

/** The refusal, when a newer epoch has written. */
async function newerThan(epoch: Epoch, app: AppFolder): Promise<WriteOutcome | undefined> {
  const highest = await app.highestEpoch();
  return highest !== undefined && highest > epoch ? { outcome: 'fenced', byEpoch: highest } : undefined;
}
