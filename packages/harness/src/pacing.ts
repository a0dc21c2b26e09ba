// Sends at a fixed rate, in small batches: what is due by the clock, however late the timer comes.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Paced {
  /** No more from now on; resolves when what was under way is done, with what went wrong, if anything did. */
  stop(): Promise<Error | undefined>;
  readonly done: Promise<Error | undefined>;
}

const pause_ms = 5;

/** `send` is called with how many are due, never again before it has resolved. A rejection ends it. */
export function pace(rate_per_s: number, send: (count: number) => Promise<void>): Paced {
  let stopped = false;
  const start_ms = performance.now();
  let sent = 0;
  async function run(): Promise<Error | undefined> {
    try {
      while (!stopped) {
        const due = Math.floor(((performance.now() - start_ms) * rate_per_s) / 1000) - sent;
        if (due > 0) {
          sent += due;
          await send(due);
        }
        await sleep(pause_ms);
      }
      return undefined;
    } catch (thrown) {
      return thrown instanceof Error ? thrown : new Error(String(thrown));
    }
  }
  const done = run();
  return {
    done,
    stop: () => {
      stopped = true;
      return done;
    },
  };
}
