// Time of the running process. Monotonic time has the same base in every thread.
import type { Clock } from '@tandem/ports';

export const systemClock: Clock = {
  now_ms() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  wall_ms: () => Date.now(),
  after(delay_ms, callback) {
    const timer = setTimeout(callback, Math.max(0, Math.ceil(delay_ms)));
    timer.unref();
    return {
      cancel: () => {
        clearTimeout(timer);
      },
    };
  },
};
