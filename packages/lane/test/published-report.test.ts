// Reports of published positions to control: gathered, and never held back for long.
import fc from 'fast-check';
import { asPosition } from '@tandem/pair';
import type { Clock } from '@tandem/ports';
import type { PositionTexts } from '@tandem/lane';
import { PublishedReport } from '../src/published-report.ts';

/** Time that passes when it is told to. */
class Hands implements Clock {
  #now_ms = 0;
  #timers: { readonly at_ms: number; readonly callback: () => void }[] = [];

  now_ms(): number {
    return this.#now_ms;
  }

  wall_ms(): number {
    return this.#now_ms;
  }

  after(delay_ms: number, callback: () => void) {
    const timer = { at_ms: this.#now_ms + delay_ms, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  pass(ms: number): void {
    const end_ms = this.#now_ms + ms;
    for (;;) {
      const due = this.#timers.filter(({ at_ms }) => at_ms <= end_ms).sort((a, b) => a.at_ms - b.at_ms)[0];
      if (due === undefined) break;
      this.#now_ms = due.at_ms;
      this.#timers = this.#timers.filter((other) => other !== due);
      due.callback();
    }
    this.#now_ms = end_ms;
  }
}

it('are sent within 10 ms, the newest of each task, and never closer together than 5 ms', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('in/0', 'in/1'), fc.nat(8)), { maxLength: 60 }), (steps) => {
      const clock = new Hands();
      const sent: { readonly at_ms: number; readonly positions: PositionTexts }[] = [];
      const report = new PublishedReport(clock, (positions) => sent.push({ at_ms: clock.now_ms(), positions }));
      const added: { readonly at_ms: number; readonly task: string; readonly position: number }[] = [];
      for (const [index, [task, pause_ms]] of steps.entries()) {
        added.push({ at_ms: clock.now_ms(), task, position: index + 1 });
        report.add(task, asPosition(index + 1));
        clock.pass(pause_ms);
      }
      clock.pass(100);
      for (const { at_ms, task, position } of added) {
        const toldOf = sent.find((message) => Number(message.positions[task] ?? -1) >= position);
        expect(toldOf?.at_ms).toBeLessThanOrEqual(at_ms + 10);
      }
      for (const [index, { at_ms }] of sent.entries()) {
        expect(at_ms).toBeGreaterThanOrEqual((sent[index - 1]?.at_ms ?? -5) + 5);
      }
    }),
  );
});

it('are sent at once when they are flushed, and nothing twice', () => {
  const clock = new Hands();
  const sent: PositionTexts[] = [];
  const report = new PublishedReport(clock, (positions) => sent.push(positions));
  report.add('in/0', asPosition(3));
  report.flush();
  report.flush();
  clock.pass(100);
  expect(sent).toEqual([{ 'in/0': '3' }]);
});

it('say since when the first of them is known', () => {
  const clock = new Hands();
  const since: number[] = [];
  const report = new PublishedReport(clock, (_, since_ms) => since.push(since_ms));
  clock.pass(7);
  report.add('in/0', asPosition(3));
  clock.pass(2);
  report.add('in/1', asPosition(4));
  clock.pass(20);
  report.add('in/0', asPosition(5));
  clock.pass(20);
  expect(since).toEqual([7, 29]);
});
