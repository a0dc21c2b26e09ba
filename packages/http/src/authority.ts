// How long requests may be under way: nothing at the receiver refuses a node that has been superseded (S11).
import type { Clock, Timer } from '@tandem/ports';

/** Timers are late by this at least; requests are ended that much earlier. */
const margin_ms = 10;

export class Authority {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #until_ms = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #changed: () => void = () => undefined;

  /** `onOver` ends whatever is under way. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get isHeld(): boolean {
    return this.#left_ms > 0;
  }

  until(until_ms: number): void {
    this.#until_ms = until_ms - margin_ms;
    this.#arm();
    this.#changed();
  }

  /** Until it changes, or the time has passed. */
  async changes(limit_ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(limit_ms, resolve);
      this.#changed = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#changed = () => undefined;
  }

  close(): void {
    this.#timer?.cancel();
    this.#changed();
  }

  get #left_ms(): number {
    return this.#until_ms - this.#clock.now_ms();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#until_ms === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.after(Math.max(0, this.#left_ms), () => {
      // A timer may be early by a fraction.
      if (this.isHeld) this.#arm();
      else this.#onOver();
    });
  }
}
