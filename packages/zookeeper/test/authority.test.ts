import type { Clock } from '@tandem/ports';
import { Authority } from '../src/authority.ts';

/** Time goes on when it is told to; what is due then is called in its order. */
class ManualClock implements Clock {
  #now_ms = 1000;
  readonly #due = new Map<object, { readonly at_ms: number; readonly callback: () => void }>();

  now_ms(): number {
    return this.#now_ms;
  }

  wall_ms(): number {
    return this.#now_ms;
  }

  after(delay_ms: number, callback: () => void): { cancel: () => void } {
    const timer = {
      cancel: () => {
        this.#due.delete(timer);
      },
    };
    this.#due.set(timer, { at_ms: this.#now_ms + delay_ms, callback });
    return timer;
  }

  pass(ms: number): void {
    this.#now_ms += ms;
    for (const [timer, { at_ms, callback }] of [...this.#due]) {
      if (at_ms > this.#now_ms) continue;
      this.#due.delete(timer);
      callback();
    }
  }
}

function held() {
  const clock = new ManualClock();
  let losses = 0;
  const authority = new Authority(clock, () => (losses += 1));
  return { clock, authority, losses: () => losses };
}

test('authority counts from when the renewal was sent, and is given up two thirds of the session time-out after that', () => {
  const { clock, authority, losses } = held();
  expect(authority.until_ms()).toBe(Number.NEGATIVE_INFINITY);
  clock.pass(200);
  expect(authority.confirm(1000, 900)).toBe(false);
  expect(authority.until_ms()).toBe(1900);
  clock.pass(399);
  expect(losses()).toBe(0);
  clock.pass(1);
  expect(losses()).toBe(1);
});

test('each renewal puts it off, an older one that is answered later does not take it back', () => {
  const { clock, authority, losses } = held();
  clock.pass(100);
  authority.confirm(1100, 900);
  authority.confirm(1000, 900);
  expect(authority.until_ms()).toBe(2000);
  clock.pass(599);
  expect(losses()).toBe(0);
});

test('it is back with the first renewal that is confirmed in time, not with one that comes too late', () => {
  const { clock, authority, losses } = held();
  authority.confirm(1000, 900);
  clock.pass(5000);
  expect(losses()).toBe(1);
  expect(authority.confirm(1200, 900)).toBe(false);
  clock.pass(0);
  expect(losses()).toBe(1);
  expect(authority.confirm(5900, 900)).toBe(true);
  clock.pass(500);
  expect(losses()).toBe(2);
});
