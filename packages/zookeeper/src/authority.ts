// Until when the session is surely held. A deadline, never a flag that somebody must remember to clear: ZooKeeper's
// client would believe for ever in a connection that nothing comes through any more.
import type { Clock, Timer } from '@tandem/ports';

export class Authority {
  readonly #clock: Clock;
  readonly #onLost: () => void;
  #sentAt_ms = Number.NEGATIVE_INFINITY;
  #sessionTimeout_ms = 0;
  #isLost = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, onLost: () => void) {
    this.#clock = clock;
    this.#onLost = onLost;
  }

  until_ms(): number {
    return this.#sentAt_ms + this.#sessionTimeout_ms;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** A renewal that was sent then is confirmed. */
  confirm(sentAt_ms: number, sessionTimeout_ms: number): void {
    if (sentAt_ms < this.#sentAt_ms) return;
    this.#sentAt_ms = sentAt_ms;
    this.#sessionTimeout_ms = sessionTimeout_ms;
    this.#isLost = false;
    this.#timer?.cancel();
    const deadline_ms = sentAt_ms + (sessionTimeout_ms * 2) / 3;
    this.#timer = this.#clock.after(Math.max(0, deadline_ms - this.#clock.now_ms()), () => {
      this.#isLost = true;
      this.#onLost();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
