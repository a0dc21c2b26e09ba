// What the input being applied has changed, so that it can be taken back as a whole.

/** A store that can take back what it did since it last called `touch`. */
export interface Undoable {
  undo(): void;
  /** The input stays: what was remembered of it is let go. */
  forget(): void;
}

/** A store with something left over from a cut that was closed before it was drained. */
export interface Untidy {
  /** Does a small part of the clearing up; true when nothing is left to do. */
  tidy(): boolean;
}

/** One per task, shared by its stores. Costs one array write per store that an input changes. */
export class InputLog {
  readonly #touched: Undoable[] = [];
  #count = 0;
  readonly #untidy: Untidy[] = [];

  /** Called by a store at its first change within an input. */
  touch(store: Undoable): void {
    this.#touched[this.#count] = store;
    this.#count += 1;
  }

  tidyLater(store: Untidy): void {
    this.#untidy.push(store);
  }

  /** Ends an input that stays applied. */
  forget(): void {
    for (let i = 0; i < this.#count; i += 1) this.#touched[i]?.forget();
    this.#end();
  }

  /** Ends an input that is taken back. Stores are independent of each other, so their order does not matter. */
  undo(): void {
    for (let i = 0; i < this.#count; i += 1) this.#touched[i]?.undo();
    this.#end();
  }

  #end(): void {
    this.#count = 0;
    if (this.#untidy.length > 0 && this.#untidy.at(-1)?.tidy() === true) this.#untidy.pop();
  }
}
