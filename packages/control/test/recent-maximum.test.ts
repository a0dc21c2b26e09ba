// The longest pause of a lane, as a scrape finds it.
import fc from 'fast-check';
import { RecentMaximum } from '../src/recent-maximum.ts';

it('holds the greatest value for a minute, however often it is looked at, and then lets it go', () => {
  const pauses = new RecentMaximum();
  pauses.note(3, 1_000);
  pauses.note(250, 1_250);
  pauses.note(2, 1_500);
  for (let at_ms = 1_500; at_ms <= 61_250; at_ms += 250) {
    pauses.note(1, at_ms);
    expect(pauses.at(at_ms)).toBe(250);
  }
  pauses.note(1, 72_000);
  expect(pauses.at(72_000)).toBe(1);
});

it('is 0 before there is a value', () => {
  expect(new RecentMaximum().at(5)).toBe(0);
});

it('covers the last minute, and not much more', () => {
  const note = fc.record({ wait_ms: fc.nat(40_000), value: fc.nat(1_000) });
  fc.assert(
    fc.property(fc.array(note, { minLength: 1 }), (notes) => {
      const pauses = new RecentMaximum();
      const noted: { readonly at_ms: number; readonly value: number }[] = [];
      let at_ms = 0;
      for (const { wait_ms, value } of notes) {
        at_ms += wait_ms;
        pauses.note(value, at_ms);
        noted.push({ at_ms, value });
        const within = (age_ms: number): number =>
          Math.max(...noted.filter((one) => at_ms - one.at_ms <= age_ms).map((one) => one.value));
        const found = pauses.at(at_ms);
        expect(found).toBeGreaterThanOrEqual(within(60_000));
        expect(found).toBeLessThanOrEqual(within(70_000));
      }
    }),
  );
});
