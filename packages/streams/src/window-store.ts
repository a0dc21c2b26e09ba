// State by window and key: one keyed segment per window, dropped whole when the window closes.
import { contentHash, type ContentSum } from './digest.ts';
import type { InputLog, Undoable } from './input-log.ts';
import { KeyedStore } from './keyed-store.ts';
import type { StateStore, StoreCut } from './runtime.ts';

export interface Segment {
  /** Start of the window, ms. */
  readonly start: number;
  readonly entries: KeyedStore;
}

/** Opening a cut takes a step per open window; the entries are copied on write as in a keyed store. */
export class WindowStore implements StateStore, Undoable {
  readonly name: string;
  readonly #log: InputLog;
  /** By start, earliest first. Replaced, never changed in place: a cut and the undo keep the list they saw. */
  #segments: readonly Segment[] = [];
  #newest: Segment | undefined = undefined;
  #before: readonly Segment[] | undefined = undefined;
  #cutOpen = false;
  #notes = false;

  constructor(name: string, log: InputLog) {
    this.name = name;
    this.#log = log;
  }

  get size(): number {
    let size = 0;
    for (const segment of this.#segments) size += segment.entries.size;
    return size;
  }

  get earliest(): Segment | undefined {
    return this.#segments[0];
  }

  /** The segment of the window that begins at `start`, made if it is not there. */
  segment(start: number): Segment {
    // Most records belong to the newest window.
    if (this.#newest?.start === start) return this.#newest;
    let at = this.#segments.length;
    for (; at > 0; at -= 1) {
      const segment = this.#segments[at - 1];
      if (segment === undefined || segment.start < start) break;
      if (segment.start === start) return segment;
    }
    const made: Segment = { start, entries: new KeyedStore(this.name, this.#log, this.#notes) };
    this.#replace([...this.#segments.slice(0, at), made, ...this.#segments.slice(at)]);
    return made;
  }

  /** An open cut still sees it. */
  dropEarliest(): void {
    this.#replace(this.#segments.slice(1));
  }

  undo(): void {
    if (this.#before !== undefined) this.#set(this.#before);
    this.#before = undefined;
  }

  forget(): void {
    this.#before = undefined;
  }

  openCut(): StoreCut {
    if (this.#cutOpen) throw new Error(`store '${this.name}' is being cut already`);
    this.#cutOpen = true;
    const parts = this.#segments.map(({ start, entries }) => ({ start, cut: entries.openCut() }));
    let at = 0;
    let closed = false;
    return {
      drain: (take) => {
        if (closed) throw new Error(`the cut of store '${this.name}' is closed`);
        for (let part = parts[at]; part !== undefined; part = parts[at]) {
          const { start, cut } = part;
          const wanted = { more: true };
          if (cut.drain((entry) => (wanted.more = take([start, ...entry])))) at += 1;
          if (!wanted.more) break;
        }
        return at === parts.length;
      },
      close: () => {
        if (closed) return;
        closed = true;
        this.#cutOpen = false;
        for (const { cut } of parts) cut.close();
      },
    };
  }

  restore(entry: readonly unknown[]): void {
    const [start, key, value] = entry;
    if (entry.length !== 3 || typeof start !== 'number' || !Number.isSafeInteger(start)) {
      throw new Error(`store '${this.name}': not an entry of a window store`);
    }
    const last = this.#segments.at(-1);
    if (last?.start === start) {
      last.entries.restore([key, value]);
      return;
    }
    if (last !== undefined && last.start > start) throw new Error(`store '${this.name}': windows out of order`);
    const made: Segment = { start, entries: new KeyedStore(this.name, this.#log, this.#notes) };
    made.entries.restore([key, value]);
    this.#set([...this.#segments, made]);
  }

  noteChanges(): void {
    if (this.#segments.length > 0) throw new Error(`store '${this.name}': changes were not noted from the beginning`);
    this.#notes = true;
  }

  /** An open window without entries is as good as none: a snapshot does not keep it. */
  digest(): ContentSum {
    let high = 0;
    let low = 0;
    for (const { start, entries } of this.#segments) {
      const sum = entries.digest();
      if (entries.size === 0) continue;
      contentHash.begin().add(start).addSum(sum);
      high = (high + contentHash.high) | 0;
      low = (low + contentHash.low) | 0;
    }
    return { high, low };
  }

  #replace(segments: readonly Segment[]): void {
    if (this.#before === undefined) {
      this.#before = this.#segments;
      this.#log.touch(this);
    }
    this.#set(segments);
  }

  #set(segments: readonly Segment[]): void {
    this.#segments = segments;
    this.#newest = segments.at(-1);
  }
}
