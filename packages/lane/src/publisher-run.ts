// One `open` of a publisher, from the moment it is asked for until it is stopped or superseded.
import type { Epoch, Positions } from '@tandem/pair';
import type { Clock } from '@tandem/ports';

export type RunStep = 'opening' | 'awaiting-verify' | 'reading-back' | 'draining' | 'live';

/** Why an opening does not hold, or never came about. */
export type RunEnd =
  | { readonly outcome: 'stopped' }
  | { readonly outcome: 'superseded'; readonly byEpoch: Epoch }
  /** To be opened again, from the beginning. */
  | { readonly outcome: 'failed'; readonly why: string; readonly wait_ms: number }
  /** Surely not published, and trying again cannot help. */
  | { readonly outcome: 'fatal'; readonly cause: Error };

/** What control asks for. */
export interface OpenRequest {
  readonly epoch: Epoch;
  readonly initialise: Positions | undefined;
  /** Undefined: at once. */
  readonly unfencedFrom_ms?: number | undefined;
}

export class Run {
  readonly epoch: Epoch;
  readonly initialise: Positions | undefined;
  /** Where the sink has no fence nothing is done before (S11). */
  readonly unfencedFrom_ms: number;
  step: RunStep = 'opening';
  /** Of the opening under way, by control. */
  isVerified = false;
  /** Nothing more may be begun; a call in flight may still come back. */
  stopped = false;
  done: Promise<void> = Promise.resolve();
  readonly #clock: Clock;
  readonly #began_ms: Partial<Record<RunStep, number>> = {};

  constructor({ epoch, initialise, unfencedFrom_ms = 0 }: OpenRequest, clock: Clock) {
    this.epoch = epoch;
    this.initialise = initialise;
    this.unfencedFrom_ms = unfencedFrom_ms;
    this.#clock = clock;
  }

  enter(step: RunStep): void {
    this.step = step;
    this.#began_ms[step] = this.#clock.now_ms();
  }

  /** What each step of the latest opening took, for the log. */
  times() {
    const took = (from: RunStep, to: RunStep): number =>
      Math.round(10 * ((this.#began_ms[to] ?? 0) - (this.#began_ms[from] ?? 0))) / 10;
    return {
      open_ms: took('opening', 'awaiting-verify'),
      verify_ms: took('awaiting-verify', 'reading-back'),
      readBack_ms: took('reading-back', 'draining'),
      drain_ms: took('draining', 'live'),
    };
  }
}

/** Read afresh: it changes while we wait. */
export function isStopped(run: Run): boolean {
  return run.stopped;
}
