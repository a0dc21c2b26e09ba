// Chance that can be repeated.
import { Random } from '../../src/pair/random.ts';

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());

it('is the same for the same label, and another for every other', () => {
  expect(draw(new Random('a'), 50)).toEqual(draw(new Random('a'), 50));
  expect(draw(new Random('a'), 5)).not.toEqual(draw(new Random('b'), 5));
});

it('has parts that do not depend on how much of the whole was used', () => {
  const used = new Random('a');
  draw(used, 100);
  expect(draw(used.of('part'), 5)).toEqual(draw(new Random('a').of('part'), 5));
});

it('is spread evenly', () => {
  const random = new Random('spread');
  const counts = new Array<number>(10).fill(0);
  for (const value of draw(random, 10_000)) counts[Math.floor(value * 10)] = (counts[Math.floor(value * 10)] ?? 0) + 1;
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  expect(new Set(Array.from({ length: 200 }, () => random.below(3)))).toEqual(new Set([0, 1, 2]));
  expect(random.pick(['only'])).toBe('only');
  expect(() => random.pick([])).toThrow('nothing to pick from');
});
