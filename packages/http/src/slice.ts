// The time that one call may spend on sending, before what has been confirmed is stored.
import type { Clock, Timer } from '@tandem/ports';

export class Slice {
  readonly until_ms: number;
  /** Resolves when it is over. */
  readonly over: Promise<undefined>;
  #isOver = false;
  #resolve: () => void = () => undefined;
  readonly #timer: Timer;

  constructor(clock: Clock, length_ms: number) {
    this.until_ms = clock.now_ms() + length_ms;
    this.over = new Promise((resolve) => {
      this.#resolve = () => {
        resolve(undefined);
      };
    });
    this.#timer = clock.after(length_ms, () => {
      this.end();
    });
  }

  isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#timer.cancel();
    this.#isOver = true;
    this.#resolve();
  }
}
