// A clock that moves when it is told to.
import type { Clock, Timer } from '@tandem/ports';

export class ManualClock implements Clock {
  #now_ms = 1000;
  readonly #timers = new Set<{ readonly at_ms: number; readonly callback: () => void }>();

  now_ms(): number {
    return this.#now_ms;
  }

  wall_ms(): number {
    return Date.UTC(2026, 0, 1) + this.#now_ms;
  }

  after(delay_ms: number, callback: () => void): Timer {
    const timer = { at_ms: this.#now_ms + delay_ms, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** To the next timer, at most to `limit_ms`; then everything that follows from it without time. */
  async step(limit_ms: number): Promise<void> {
    const next = [...this.#timers].sort((a, b) => a.at_ms - b.at_ms)[0];
    this.#now_ms = Math.max(this.#now_ms, Math.min(next?.at_ms ?? limit_ms, limit_ms));
    if (next !== undefined && next.at_ms <= this.#now_ms) {
      this.#timers.delete(next);
      next.callback();
    }
    await new Promise(setImmediate);
  }

  /** Steps until the condition holds. */
  async until(condition: () => boolean, limit_ms = 60_000): Promise<void> {
    const end_ms = this.#now_ms + limit_ms;
    while (!condition()) {
      if (this.#now_ms >= end_ms) throw new Error(`not within ${String(limit_ms)} ms of virtual time`);
      await this.step(end_ms);
    }
  }

  async settle<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    work.then(mark, mark);
    await this.until(() => isSettled);
    return work;
  }
}
