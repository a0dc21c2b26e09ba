// Waiting that can be cut short, and growing pauses between attempts.
import type { Clock, Timer } from '@tandem/ports';

/** Where one loop sleeps: until it is woken, or a time has passed. A wake-up that comes first is not lost. */
export class Waiting {
  readonly #clock: Clock;
  #resolve: (() => void) | undefined;
  #woken = false;
  readonly #timers = new Set<Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#woken = true;
    this.#resolve?.();
  }

  async wait(limit_ms: number | undefined): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const timer = limit_ms === undefined ? undefined : this.#after(limit_ms, resolve);
        this.#resolve = () => {
          this.#cancel(timer);
          resolve();
        };
      });
      this.#resolve = undefined;
    }
    this.#woken = false;
  }

  /** Whether the promise settled within the time; what it rejects with is its owner's affair. */
  async within(promise: Promise<unknown>, limit_ms: number): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<false>((resolve) => {
      timer = this.#after(limit_ms, () => {
        resolve(false);
      });
    });
    const settled = promise.then(
      () => true,
      () => true,
    );
    const inTime = await Promise.race([settled, late]);
    this.#cancel(timer);
    return inTime;
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.wake();
  }

  #after(delay_ms: number, callback: () => void): Timer {
    const timer = this.#clock.after(delay_ms, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: Timer | undefined): void {
    if (timer === undefined) return;
    timer.cancel();
    this.#timers.delete(timer);
  }
}

const first_ms = 5;
const most_ms = 2000;

/** Pauses that double up to a limit, with jitter; the first attempt after a success comes at once. */
export class Retry {
  readonly #clock: Clock;
  readonly #random: () => number;
  #attempts = 0;
  #atLeast_ms = 0;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  reset(): void {
    this.#attempts = 0;
    this.#atLeast_ms = 0;
  }

  atLeast(wait_ms: number): void {
    this.#atLeast_ms = Math.min(wait_ms, most_ms);
  }

  /** Ends early when the run is stopped. */
  async pause(waiting: Waiting, run: { readonly stopped: boolean }): Promise<void> {
    const attempt = this.#attempts++;
    const grown_ms = attempt === 0 ? 0 : Math.min(most_ms, first_ms * 2 ** (attempt - 1)) * (0.5 + this.#random() / 2);
    const until_ms = this.#clock.now_ms() + Math.max(grown_ms, this.#atLeast_ms);
    this.#atLeast_ms = 0;
    for (;;) {
      const left_ms = until_ms - this.#clock.now_ms();
      if (left_ms <= 0 || run.stopped) return;
      await waiting.wait(left_ms);
    }
  }
}
