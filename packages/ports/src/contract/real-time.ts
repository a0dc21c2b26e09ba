// Real time, for the worlds of contract suites on real systems.
import type { Clock } from '@tandem/ports';

export const clock: Clock = {
  now_ms: () => performance.now(),
  wall_ms: () => Date.now(),
  after: (delay_ms, callback) => {
    // Node leaves fractions out: never early by more than the fraction of the millisecond that it counts from.
    const timer = setTimeout(callback, Math.max(0, Math.ceil(delay_ms)));
    timer.unref();
    return {
      cancel: () => {
        clearTimeout(timer);
      },
    };
  },
};

/** Looks again and again until the condition holds; a generous limit, for it fails the test. */
export async function until(condition: () => boolean | Promise<boolean>, limit_ms = 20_000): Promise<void> {
  const end_ms = performance.now() + limit_ms;
  while (!(await condition())) {
    if (performance.now() > end_ms) throw new Error(`not within ${String(limit_ms)} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
