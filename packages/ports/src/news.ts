// Word that others wait for: each call of `tell` ends all waits that are under way.
import type { Clock } from './clock.ts';
import { pause } from './pause.ts';

export class News {
  readonly #waiting = new Set<() => void>();

  tell(): void {
    for (const end of this.#waiting) end();
  }

  /** Until it is told, the time has come, or the signal is aborted. */
  async wait(clock: Clock, until_ms: number, signal: AbortSignal): Promise<void> {
    const told = new AbortController();
    const end = (): void => {
      told.abort();
    };
    this.#waiting.add(end);
    signal.addEventListener('abort', end);
    if (!signal.aborted) await pause(clock, until_ms - clock.now_ms(), told.signal);
    this.#waiting.delete(end);
    signal.removeEventListener('abort', end);
  }
}
