// Requests to hand over that wait for the role machine's answer.
import type { Clock } from '@tandem/ports';

export interface SwitchoverOutcome {
  readonly outcome: 'done' | 'refused' | 'expired';
  readonly detail: string;
}

export class Switchovers {
  readonly #clock: Clock;
  readonly #limit_ms: number;
  readonly #waiting = new Map<string, (outcome: SwitchoverOutcome) => void>();
  #requests = 0;

  constructor(clock: Clock, limit_ms: number) {
    this.#clock = clock;
    this.#limit_ms = limit_ms;
  }

  /** `ask` raises the request; without an answer within the limit it has expired. */
  request(ask: (request: string) => void): Promise<SwitchoverOutcome> {
    const request = String(++this.#requests);
    return new Promise((resolve) => {
      const limit = this.#clock.after(this.#limit_ms, () => {
        this.#waiting.delete(request);
        resolve({ outcome: 'expired', detail: 'no answer within the limit' });
      });
      this.#waiting.set(request, (outcome) => {
        limit.cancel();
        this.#waiting.delete(request);
        resolve(outcome);
      });
      ask(request);
    });
  }

  answer(request: string, outcome: SwitchoverOutcome): void {
    this.#waiting.get(request)?.(outcome);
  }

  refuseAll(detail: string): void {
    for (const answer of [...this.#waiting.values()]) answer({ outcome: 'refused', detail });
  }
}
