// State by key, in insertion order, with a consistent cut that costs nothing to open and no pause to take.
import { contentHash, type ContentSum } from './digest.ts';
import type { InputLog, Undoable, Untidy } from './input-log.ts';
import type { StateStore, StoreCut } from './runtime.ts';

/** One Map of 600,000 keys stops the world for up to 223 ms when it grows; of 64 none for more than 8. */
const shardCount = 64;
const tidyEntries = 16;
/** So many places for changed entries are kept from one digest to the next. */
const keptPlaces = 16_384;

/** A key and its value; values are immutable once put, so keeping one aside is keeping the reference. */
export class Entry {
  readonly key: string;
  /** Grows with every insertion; the order of the list. */
  readonly sequence: number;
  value: unknown;
  /** The newest cut that needs nothing more from this entry's `value`. */
  mark: number;
  /** The value at the cut `mark`, where the entry has changed since and the cut has not come past it yet. */
  kept: unknown = undefined;
  /** Deleted, or never inserted after all; in the list until no cut needs it. */
  dead = false;
  /** Changed since the last digest, and on the list of those; always true where changes are not noted. */
  changed: boolean;
  /** What it has contributed to the store's sum. */
  high = 0;
  low = 0;
  previous: Entry | undefined;
  next: Entry | undefined = undefined;
  constructor(
    key: string,
    sequence: number,
    value: unknown,
    mark: number,
    changed: boolean,
    previous: Entry | undefined,
  ) {
    this.key = key;
    this.sequence = sequence;
    this.value = value;
    this.mark = mark;
    this.changed = changed;
    this.previous = previous;
  }
}

/** In the log in place of an old value. */
const inserted = Symbol('inserted');
const deleted = Symbol('deleted');

/**
 * Entries are found through 64 Maps and ordered by a doubly linked list, so that inserting, deleting and iterating
 * need no compaction. `undefined` is no value.
 *
 * A digest hashes the entries that changed since the one before, takes what they contributed then from the store's sum
 * and adds what they contribute now.
 *
 * A cut copies on write: it raises the store's mark, and whoever changes an entry with an older mark first keeps the
 * old value beside the new one. Draining walks the list up to the sequence at which the cut was opened.
 */
export class KeyedStore implements StateStore, Undoable, Untidy {
  readonly name: string;
  size = 0;
  readonly #log: InputLog;
  readonly #shards: Map<string, Entry>[] = [];
  #first: Entry | undefined = undefined;
  #last: Entry | undefined = undefined;
  #sequence = 0;

  #mark = 0;
  #cutOpen = false;
  /** Next entry for the cut to hand over, or, after an early close, to clear up. */
  #cursor: Entry | undefined = undefined;
  /** Entries from this sequence on came after the cut. */
  #cutEnd = 0;

  readonly #changed: Entry[] = [];
  readonly #before: unknown[] = [];
  #changes = 0;
  #deletes = 0;

  #notes: boolean;
  /** Changed since the last digest: the first `#noted` of them. */
  #toHash: (Entry | undefined)[] = [];
  #noted = 0;
  #high = 0;
  #low = 0;

  /** `notes`: as if `noteChanges` had been called. */
  constructor(name: string, log: InputLog, notes = false) {
    this.name = name;
    this.#log = log;
    this.#notes = notes;
    for (let i = 0; i < shardCount; i += 1) this.#shards.push(new Map());
  }

  /** First entry in insertion order; follow `next` and skip the dead. */
  get first(): Entry | undefined {
    return this.#first;
  }

  find(key: string): Entry | undefined {
    return this.#shard(key).get(key);
  }

  /** Only for a key that is not there. */
  insert(key: string, value: unknown): void {
    const entry = this.#append(key, value);
    this.#record(entry, inserted);
    if (!entry.changed) this.#note(entry);
  }

  replace(entry: Entry, value: unknown): void {
    this.#record(entry, entry.value);
    if (!entry.changed) this.#note(entry);
    this.#keepForCut(entry);
    entry.value = value;
  }

  delete(entry: Entry): void {
    this.#record(entry, deleted);
    if (!entry.changed) this.#note(entry);
    this.#keepForCut(entry);
    this.#deletes += 1;
    this.#shard(entry.key).delete(entry.key);
    entry.dead = true;
    this.size -= 1;
  }

  openCut(): StoreCut {
    if (this.#cutOpen) throw new Error(`store '${this.name}' is being cut already`);
    this.#cutOpen = true;
    this.#mark += 1;
    this.#cursor = this.#first;
    this.#cutEnd = this.#sequence;
    let closed = false;
    return {
      drain: (take) => {
        if (closed) throw new Error(`the cut of store '${this.name}' is closed`);
        return this.#drain(take);
      },
      close: () => {
        if (closed) return;
        closed = true;
        this.#cutOpen = false;
        if (!this.#cutPassed()) this.#log.tidyLater(this);
      },
    };
  }

  restore(entry: readonly unknown[]): void {
    const [key, value] = entry;
    if (entry.length !== 2 || typeof key !== 'string' || value === undefined) {
      throw new Error(`store '${this.name}': not an entry of a keyed store`);
    }
    if (this.find(key) !== undefined) throw new Error(`store '${this.name}': a key occurs twice in the snapshot`);
    const restored = this.#append(key, value);
    if (this.#notes) this.#hash(restored);
  }

  noteChanges(): void {
    if (this.size > 0) throw new Error(`store '${this.name}': changes were not noted from the beginning`);
    this.#notes = true;
  }

  /** Independent of the order of the entries: that shows in what they put out. */
  digest(): ContentSum {
    const toHash = this.#toHash;
    for (let i = 0; i < this.#noted; i += 1) {
      const entry = toHash[i];
      if (entry === undefined) continue;
      toHash[i] = undefined;
      entry.changed = false;
      this.#hash(entry);
    }
    this.#noted = 0;
    if (toHash.length > keptPlaces) this.#toHash = [];
    return { high: this.#high, low: this.#low };
  }

  undo(): void {
    for (let i = this.#changes - 1; i >= 0; i -= 1) {
      const entry = this.#changed[i];
      if (entry === undefined) continue;
      const before = this.#before[i];
      if (before === inserted) {
        this.#shard(entry.key).delete(entry.key);
        entry.dead = true;
        this.#unlink(entry);
        this.size -= 1;
      } else if (before === deleted) {
        this.#shard(entry.key).set(entry.key, entry);
        entry.dead = false;
        this.size += 1;
      } else {
        entry.value = before;
      }
    }
    this.#endInput();
  }

  forget(): void {
    if (this.#deletes > 0) {
      for (let i = 0; i < this.#changes; i += 1) {
        const entry = this.#changed[i];
        if (entry !== undefined && this.#before[i] === deleted && !this.#neededByCut(entry)) this.#unlink(entry);
      }
    }
    this.#endInput();
  }

  /** After a cut that was closed early: clears what was kept for it. */
  tidy(): boolean {
    if (this.#cutOpen) return true; // a newer cut clears up on its way
    for (let i = 0; i < tidyEntries && !this.#cutPassed(); i += 1) {
      const entry = this.#advance();
      entry.kept = undefined;
      if (entry.dead) this.#unlink(entry);
    }
    return this.#cutPassed();
  }

  #drain(take: (entry: readonly unknown[]) => boolean): boolean {
    while (!this.#cutPassed()) {
      const entry = this.#advance();
      const value = entry.mark === this.#mark ? entry.kept : entry.dead ? undefined : entry.value;
      entry.mark = this.#mark;
      entry.kept = undefined;
      if (entry.dead) this.#unlink(entry);
      if (value !== undefined && !take([entry.key, value])) break;
    }
    return this.#cutPassed();
  }

  #cutPassed(): boolean {
    return this.#cursor === undefined || this.#cursor.sequence >= this.#cutEnd;
  }

  #advance(): Entry {
    const entry = this.#cursor;
    if (entry === undefined) throw new Error(`store '${this.name}': walked past its end`);
    this.#cursor = entry.next;
    return entry;
  }

  #keepForCut(entry: Entry): void {
    if (!this.#cutOpen || entry.mark === this.#mark) return;
    entry.mark = this.#mark;
    entry.kept = entry.value;
  }

  #neededByCut(entry: Entry): boolean {
    return this.#cutOpen && entry.mark === this.#mark && entry.kept !== undefined;
  }

  #note(entry: Entry): void {
    entry.changed = true;
    this.#toHash[this.#noted] = entry;
    this.#noted += 1;
  }

  #hash(entry: Entry): void {
    const { high, low } = entry;
    if (entry.dead) {
      entry.high = 0;
      entry.low = 0;
    } else {
      contentHash.begin().add(entry.key).add(entry.value);
      entry.high = contentHash.high;
      entry.low = contentHash.low;
    }
    this.#high = (this.#high - high + entry.high) | 0;
    this.#low = (this.#low - low + entry.low) | 0;
  }

  #append(key: string, value: unknown): Entry {
    const entry = new Entry(key, this.#sequence, value, this.#mark, !this.#notes, this.#last);
    this.#sequence += 1;
    this.#shard(key).set(key, entry);
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.size += 1;
    return entry;
  }

  /** Leaves no pointers behind: a dead entry that points to younger ones would keep them from being collected early. */
  #unlink(entry: Entry): void {
    if (this.#cursor === entry) this.#cursor = entry.next;
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.previous = undefined;
    entry.next = undefined;
  }

  #record(entry: Entry, before: unknown): void {
    if (this.#changes === 0) this.#log.touch(this);
    this.#changed[this.#changes] = entry;
    this.#before[this.#changes] = before;
    this.#changes += 1;
  }

  #endInput(): void {
    this.#changes = 0;
    this.#deletes = 0;
  }

  #shard(key: string): Map<string, Entry> {
    // FNV-1a over the whole key, its high bits folded in: keys that differ only at the front must spread too.
    let hash = 0x811c9dc5;
    for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    const shard = this.#shards[(hash ^ (hash >>> 16)) & (shardCount - 1)];
    if (shard === undefined) throw new Error('unreachable: the hash is masked');
    return shard;
  }
}
