// Entries of a store as bytes: groups of entries, each group one MessagePack value with its own record shapes.
import { Packr, Unpackr } from 'msgpackr';
import { SnapshotError } from './error.ts';
import { writableArray } from './odd-values.ts';

/** Entries that are encoded together: enough to write the shape of their objects once, few enough to stay brief. */
const groupSize = 64;

/** A store chunk is handed on when it holds about this much: checksums of larger ones would take too long at a time. */
export const storeChunk_bytes = 64 * 1024;

/** Gathers entries of one store in the payload of a store chunk: [store u16][groups]. */
export class EntryWriter {
  /** A field `toJSON` is data like any other. */
  readonly #packr = new Packr({ useRecords: true, useToJSON: false, useBigIntExtension: true });
  readonly #emit: (payload: Uint8Array) => void;
  #group: (readonly unknown[])[] = [];
  #payload = new Uint8Array(storeChunk_bytes + 16 * 1024);
  #used_bytes = 2;
  #entries = 0;

  /** `emit` gets payloads that are only valid during the call. */
  constructor(emit: (payload: Uint8Array) => void) {
    this.#emit = emit;
  }

  /** Begins with another store. What was added before must have been ended. */
  begin(store: number): void {
    this.#payload[0] = store >>> 8;
    this.#payload[1] = store & 255;
    this.#used_bytes = 2;
    this.#entries = 0;
  }

  /** The entry must not change until `end` (values of stores never do). */
  add(entry: readonly unknown[]): void {
    this.#entries++;
    this.#group.push(writableArray(entry));
    if (this.#group.length === groupSize) this.#encodeGroup();
  }

  /** Emits the rest; answers the number of entries since `begin`. */
  end(): number {
    if (this.#group.length > 0) this.#encodeGroup();
    this.#emitChunk();
    return this.#entries;
  }

  #encodeGroup(): void {
    const bytes = this.#packr.pack(this.#group);
    this.#group = [];
    if (this.#used_bytes + bytes.length > this.#payload.length) {
      this.#emitChunk();
      if (2 + bytes.length > this.#payload.length) {
        const larger = new Uint8Array(2 + bytes.length);
        larger.set(this.#payload.subarray(0, 2));
        this.#payload = larger;
      }
    }
    this.#payload.set(bytes, this.#used_bytes);
    this.#used_bytes += bytes.length;
    if (this.#used_bytes >= storeChunk_bytes) this.#emitChunk();
  }

  #emitChunk(): void {
    if (this.#used_bytes === 2) return;
    this.#emit(this.#payload.subarray(0, this.#used_bytes));
    this.#used_bytes = 2;
  }
}

const unpackr = new Unpackr({ useRecords: true });

/** Number of the store, within the task, that a store chunk belongs to. */
export function storeOfChunk(payload: Uint8Array): number {
  if (payload.length < 2) throw damaged();
  return ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
}

/** Hands over every entry of a store chunk in order. @throws SnapshotError `snapshot-corrupt`. */
export function readEntries(payload: Uint8Array, take: (entry: readonly unknown[]) => void): void {
  let groups: unknown[];
  try {
    groups = unpackr.unpackMultiple(payload.subarray(2)) as unknown[];
  } catch {
    throw damaged();
  }
  for (const group of groups) {
    if (!Array.isArray(group)) throw damaged();
    for (const entry of group) {
      if (!Array.isArray(entry)) throw damaged();
      take(entry);
    }
  }
}

function damaged(): SnapshotError {
  return new SnapshotError('snapshot-corrupt', 'snapshot is damaged: a part of a store cannot be read');
}
