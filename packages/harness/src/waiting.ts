// Waiting for conditions, always with a deadline that says what was waited for.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Deadline {
  readonly limit_ms: number;
  readonly pause_ms?: number;
  /** Gives up early, as if the deadline had passed. */
  readonly signal?: AbortSignal;
}

/** The first answer that is not undefined; undefined when time is up. */
export async function until<T>(
  { limit_ms, pause_ms = 10, signal }: Deadline,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T | undefined> {
  const deadline_ms = performance.now() + limit_ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() >= deadline_ms || signal?.aborted === true) return answer;
    await sleep(pause_ms);
  }
}

/** As until, for what must come. @throws Error naming what did not. */
export async function waitFor<T>(
  what: string,
  deadline: Deadline,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const answer = await until(deadline, ask);
  if (answer !== undefined) return answer;
  throw new Error(
    deadline.signal?.aborted === true
      ? `interrupted while waiting until ${what}`
      : `waited ${(deadline.limit_ms / 1000).toString()} s in vain until ${what}`,
  );
}

/** Counts ms from now. */
export function stopwatch(): () => number {
  const start_ms = performance.now();
  return () => performance.now() - start_ms;
}
