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

  /** A renewal that was sent then is confirmed; true where authority is back by it. */
  confirm(sentAt_ms: number, sessionTimeout_ms: number): boolean {
    if (sentAt_ms < this.#sentAt_ms) return false;
    this.#sentAt_ms = sentAt_ms;
    this.#sessionTimeout_ms = sessionTimeout_ms;
    const left_ms = sentAt_ms + (sessionTimeout_ms * 2) / 3 - this.#clock.now_ms();
    // An answer that came late, for instance to a process that was stopped, brings nothing back.
    if (this.#isLost && left_ms <= 0) return false;
    const isBack = this.#isLost;
    this.#isLost = false;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(Math.max(0, left_ms), () => {
      this.#isLost = true;
      this.#onLost();
    });
    return isBack;
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
