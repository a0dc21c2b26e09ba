// The time that one call may spend on sending, before what has been confirmed is stored.
import type { Clock, Timer } from '@tandem/ports';

export interface SliceLimits {
  /** Once something has been confirmed. */
  readonly usual_ms: number;
  /** While nothing has: whoever called wants to look around now and then. */
  readonly most_ms: number;
}

export class Slice {
  readonly until_ms: number;
  /** Resolves when it is over. */
  readonly over: Promise<undefined>;
  /** Outputs that were confirmed in it. */
  confirmed = 0;
  readonly #clock: Clock;
  readonly #usualEnd_ms: number;
  readonly #timers: readonly Timer[];
  #isOver = false;
  #resolve: () => void = () => undefined;

  constructor(clock: Clock, { usual_ms, most_ms }: SliceLimits) {
    this.#clock = clock;
    this.#usualEnd_ms = clock.now_ms() + usual_ms;
    this.until_ms = clock.now_ms() + most_ms;
    this.over = new Promise((resolve) => {
      this.#resolve = () => {
        resolve(undefined);
      };
    });
    const usual = clock.after(usual_ms, () => {
      if (this.confirmed > 0) this.end();
    });
    const most = clock.after(most_ms, () => {
      this.end();
    });
    this.#timers = [usual, most];
  }

  confirm(): void {
    this.confirmed++;
    if (this.#clock.now_ms() >= this.#usualEnd_ms) this.end();
  }

  isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#isOver = true;
    this.#resolve();
  }
}
