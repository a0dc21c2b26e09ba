// Time as the runtime sees it; the simulator brings its own.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic time in ms, fractions included, the same base in every thread of the process. */
  now_ms(): number;
  /** Wall-clock time in ms since 1970, for people and record timestamps only. */
  wall_ms(): number;
  /** Calls back once after at least `delay_ms` (a real timer: less than 1 ms short of it). Does not keep the process alive. */
  after(delay_ms: number, callback: () => void): Timer;
}
