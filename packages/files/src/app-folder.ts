// The folder of one app: what lies in it, and how it is changed so that a crash at any moment leaves it whole.
//
// Nobody can lock a folder for certain, so nothing here rests on a lock. A revision appears by the renaming of a folder
// that is complete, onto a name that is free; an epoch has written once an empty file with its number is there. Such
// files are only added while they count, so that no writer can undo what another one has said.
import { randomBytes } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { asEpoch, type Epoch } from '@tandem/pair';
import { codeOf, makeFolder, makeMark, makeNewFolder, syncFolder } from './durable.ts';
import { entryName, readEntry, type Entry } from './names.ts';
import { readAbout, type Revision } from './revision.ts';

type EntryOf<Kind extends Entry['kind']> = Extract<Entry, { kind: Kind }>;

const taken: ReadonlySet<string | undefined> = new Set(['ENOTEMPTY', 'EEXIST']);

export class AppFolder {
  readonly path: string;

  constructor(folder: string) {
    this.path = folder;
  }

  /** Undefined: no epoch has written yet. */
  async highestEpoch(): Promise<Epoch | undefined> {
    const epochs = (await this.#entries()).filter((entry) => entry.kind === 'epoch').map(({ epoch }) => epoch);
    return epochs.length === 0 ? undefined : asEpoch(Math.max(...epochs));
  }

  /** From now on older epochs are refused, durably. */
  async raiseEpoch(epoch: Epoch): Promise<void> {
    await makeMark(path.join(this.path, entryName.epoch(epoch)));
  }

  /**
   * Whole revisions, newest first: by epoch, then by number. One that an older epoch managed to store after a newer
   * one (see docs/adapters/files.md) comes behind everything of the newer one. Those that are damaged are left out.
   */
  async revisions(): Promise<readonly Revision[]> {
    const found: Revision[] = [];
    for (const { revision } of await this.#of('revision')) {
      const about = await this.revision(revision);
      if (about !== undefined && about !== 'damaged') found.push(about);
    }
    return found.sort((a, b) => b.info.epoch - a.info.epoch || b.info.revision - a.info.revision);
  }

  async revision(revision: number): Promise<Revision | 'damaged' | undefined> {
    return await readAbout(this.revisionPath(revision), revision);
  }

  revisionPath(revision: number): string {
    return path.join(this.path, entryName.revision(revision));
  }

  /** A folder to put a revision together in; nobody lists it. */
  async makePart(epoch: Epoch): Promise<string> {
    await makeFolder(this.path);
    const part = path.join(this.path, entryName.part(epoch, random()));
    await makeNewFolder(part);
    return part;
  }

  /**
   * The part becomes the app's next revision, in one step; what is in it must be durable. `check` is asked right
   * before that, and once it says no, nothing happens. Returns the revision's number.
   */
  async keep(part: string, check: () => Promise<boolean>): Promise<number | undefined> {
    await syncFolder(part);
    for (;;) {
      const next = (await this.#lastNumber()) + 1;
      if (!(await check())) return undefined;
      try {
        // Onto a folder that holds something no folder can be renamed: two writers never get the same number.
        await rename(part, this.revisionPath(next));
      } catch (thrown) {
        if (taken.has(codeOf(thrown))) continue;
        throw thrown;
      }
      await syncFolder(this.path);
      return next;
    }
  }

  /** Those that are there are not any more, at once; their space is given back after that. */
  async remove(revisions: readonly number[]): Promise<readonly number[]> {
    const removed: number[] = [];
    for (const revision of revisions) {
      if (await this.#putAway(this.revisionPath(revision))) removed.push(revision);
    }
    if (removed.length > 0) await syncFolder(this.path);
    await this.#empty();
    return removed;
  }

  /** Numbers given so far are not given again, although nothing is left that bears them. */
  async rememberNumbers(): Promise<void> {
    const last = await this.#lastNumber();
    if (last > 0) await makeMark(path.join(this.path, entryName.numbered(last)));
  }

  /**
   * Clears away what is nobody's any more: parts of epochs below the highest that has written, since none of them can
   * become a revision; revisions that are damaged and older than all that is kept; marks that a higher one makes
   * needless. What the holder of the highest epoch may be writing stays.
   */
  async clear(): Promise<void> {
    const entries = await this.#entries();
    const highest = (await this.highestEpoch()) ?? 0;
    const last = Math.max(0, ...entries.map((entry) => (entry.kind === 'numbered' ? entry.upTo : 0)));
    const kept = (await this.revisions()).map(({ info }) => info.revision);
    for (const entry of entries) {
      const at = path.join(this.path, entry.name);
      if (entry.kind === 'part' && entry.epoch < highest) await this.#putAway(at);
      else if (entry.kind === 'revision' && kept.length > 0 && entry.revision < Math.min(...kept)) {
        if ((await this.revision(entry.revision)) === 'damaged') await this.#putAway(at);
      } else if (entry.kind === 'epoch' && entry.epoch < highest) await rm(at, { force: true });
      else if (entry.kind === 'numbered' && entry.upTo < last) await rm(at, { force: true });
    }
    await this.#empty();
  }

  /** Out of sight in one step. False when it is not there. */
  async #putAway(at: string): Promise<boolean> {
    try {
      await rename(at, path.join(this.path, entryName.gone(random())));
      return true;
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return false;
      throw thrown;
    }
  }

  /** Somebody else may be at it, too. */
  async #empty(): Promise<void> {
    for (const { name } of await this.#of('gone')) {
      await rm(path.join(this.path, name), { recursive: true, force: true });
    }
  }

  async #lastNumber(): Promise<number> {
    const numbers = (await this.#entries()).map((entry) => {
      if (entry.kind === 'revision') return entry.revision;
      return entry.kind === 'numbered' ? entry.upTo : 0;
    });
    return Math.max(0, ...numbers);
  }

  async #of<Kind extends Entry['kind']>(kind: Kind): Promise<readonly EntryOf<Kind>[]> {
    return (await this.#entries()).filter((entry): entry is EntryOf<Kind> => entry.kind === kind);
  }

  async #entries(): Promise<readonly Entry[]> {
    try {
      return (await readdir(this.path)).flatMap((name) => readEntry(name) ?? []);
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return [];
      throw thrown;
    }
  }
}

function random(): string {
  return randomBytes(6).toString('hex');
}
