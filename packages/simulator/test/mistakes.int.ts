// The checker is checked: every planted mistake has to show within some hundred seeds.
import { buildWith } from './mistakes/build.ts';
import { findMistake, mostSeeds } from './mistakes/finding.ts';
import { mistakes } from './mistakes/mistakes.ts';

it.each(mistakes.map((mistake) => [mistake.name, mistake] as const))(
  'notices one that %s',
  async (_name, mistake) => {
    const found = await findMistake(mistake);
    expect(found?.seed ?? 'not noticed').toBeLessThanOrEqual(mostSeeds);
  },
  300_000,
);

it.each([
  ['is not there', 'this text is nowhere'],
  ['is there twice', 'publisher'],
])('refuses a mistake whose place %s', async (_what, find) => {
  const mistake = { name: 'outdated', changes: [{ file: 'lane/src/publisher-driver.ts', find, replace: '' }] };
  await expect(buildWith(mistake, '/dev/null')).rejects.toThrow(/'outdated' replaces what is \d+ times/);
});
