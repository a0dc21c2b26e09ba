// Waiting that can be cut short, and how long to wait between tries.
import type { Clock } from '@tandem/ports';

/** Resolves after the delay, or at once when the signal is aborted. */
export async function pause(clock: Clock, delay_ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delay_ms, done);
    signal.addEventListener('abort', done);
  });
}

/** Doubles from 10 ms up to the cap; half of it is chance, so that two nodes do not try in step. */
export function backoff_ms(tries: number, cap_ms: number): number {
  const full_ms = Math.min(cap_ms, 10 * 2 ** Math.min(tries, 20));
  return full_ms / 2 + (Math.random() * full_ms) / 2;
}
