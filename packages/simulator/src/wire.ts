// What lies between a client and a service in memory: every message takes a moment, and some get lost.
import type { Clock } from '@tandem/ports';

export interface Wire {
  /** The client's own: its time limits run by it, and answers reach it only while it runs. */
  readonly clock: Clock;
  /** Carries a request; one that is lost never arrives. */
  toService(arrive: () => void): void;
  /** Carries an answer, or word of something. */
  toClient(arrive: () => void): void;
}

/** Loses nothing. Both ends live by one clock. */
export function directWire(clock: Clock, delay_ms: () => number): Wire {
  const carry = (arrive: () => void): void => {
    clock.after(delay_ms(), arrive);
  };
  return { clock, toService: carry, toClient: carry };
}

/** Takes no time at all. */
export function instantWire(clock: Clock): Wire {
  const carry = (arrive: () => void): void => {
    arrive();
  };
  return { clock, toService: carry, toClient: carry };
}

/** One message there and one back; what the effect throws comes back too. @throws what `late` makes after `limit_ms`. */
export function request<T>(wire: Wire, effect: () => T, limit_ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const limit = wire.clock.after(limit_ms, () => {
      reject(late());
    });
    const answer = (settle: () => void): void => {
      wire.toClient(() => {
        limit.cancel();
        settle();
      });
    };
    wire.toService(() => {
      let result: T;
      try {
        result = effect();
      } catch (thrown) {
        answer(() => {
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is thrown on as it came
          reject(thrown);
        });
        return;
      }
      answer(() => {
        resolve(result);
      });
    });
  });
}
