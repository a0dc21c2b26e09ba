// The stream time of one windowed operator: the largest record time it has seen. Task state like any other.
import { contentHash, emptySum, type ContentSum } from './digest.ts';
import type { InputLog, Undoable } from './input-log.ts';
import type { StateStore, StoreCut } from './runtime.ts';

export class TimeStore implements StateStore, Undoable {
  readonly name: string;
  readonly #log: InputLog;
  #time_ms = -Infinity;
  #before_ms = -Infinity;
  #touched = false;
  #cutOpen = false;

  constructor(name: string, log: InputLog) {
    this.name = name;
    this.#log = log;
  }

  /** -Infinity before the first record. */
  get time_ms(): number {
    return this.#time_ms;
  }

  get size(): number {
    return this.#time_ms === -Infinity ? 0 : 1;
  }

  advance(time_ms: number): void {
    if (!this.#touched) {
      this.#touched = true;
      this.#before_ms = this.#time_ms;
      this.#log.touch(this);
    }
    this.#time_ms = time_ms;
  }

  undo(): void {
    this.#time_ms = this.#before_ms;
    this.#touched = false;
  }

  forget(): void {
    this.#touched = false;
  }

  openCut(): StoreCut {
    if (this.#cutOpen) throw new Error(`store '${this.name}' is being cut already`);
    this.#cutOpen = true;
    let left = this.size;
    const time_ms = this.#time_ms;
    return {
      drain: (take) => {
        if (left > 0) {
          left -= 1;
          take([time_ms]);
        }
        return true;
      },
      close: () => {
        this.#cutOpen = false;
      },
    };
  }

  noteChanges(): void {
    // There is only one value to hash.
  }

  digest(): ContentSum {
    if (this.#time_ms === -Infinity) return emptySum;
    const { high, low } = contentHash.begin().add(this.#time_ms);
    return { high, low };
  }

  restore(entry: readonly unknown[]): void {
    const [time_ms] = entry;
    if (entry.length !== 1 || typeof time_ms !== 'number' || !Number.isSafeInteger(time_ms)) {
      throw new Error(`store '${this.name}': not a stream time`);
    }
    this.#time_ms = time_ms;
  }
}
