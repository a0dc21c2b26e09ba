// Waiting that can be cut short, and how long to wait between tries.
import type { Clock } from './clock.ts';

/** Resolves after the delay, or at once when the signal is aborted; says whether it is. */
export async function pause(clock: Clock, delay_ms: number, signal: AbortSignal): Promise<'passed' | 'aborted'> {
  if (signal.aborted) return 'aborted';
  return new Promise((resolve) => {
    const abort = () => {
      timer.cancel();
      resolve('aborted');
    };
    const timer = clock.after(Math.max(0, delay_ms), () => {
      signal.removeEventListener('abort', abort);
      resolve('passed');
    });
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** Doubles from 10 ms up to the cap; half of it is chance, so that two nodes do not try in step. */
export function backoff_ms(tries: number, cap_ms: number): number {
  const full_ms = Math.min(cap_ms, 10 * 2 ** Math.min(tries, 20));
  return full_ms / 2 + (Math.random() * full_ms) / 2;
}
