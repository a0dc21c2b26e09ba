// A revision as the store gives it: what is wrong with it is told apart from a store that did not give it.
import { TandemError, toError } from '@tandem/ports';

export class StoredContent implements AsyncIterable<Uint8Array> {
  /** Why the store did not give it; that it is damaged is said of the revision. */
  failure: Error | undefined;
  readonly #content: AsyncIterable<Uint8Array>;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#content = content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* this.#content;
    } catch (thrown) {
      if (!(thrown instanceof TandemError && thrown.code.startsWith('snapshot-'))) this.failure = toError(thrown);
      throw thrown;
    }
  }
}
