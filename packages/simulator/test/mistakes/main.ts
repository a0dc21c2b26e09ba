// npm run simulate:mistakes: which seed shows each mistake, as a table for docs/simulator.md.
import { findMistake, mostSeeds } from './finding.ts';
import { mistakes } from './mistakes.ts';

process.stdout.write('| mistake | first seed | breaks |\n| --- | --- | --- |\n');
for (const mistake of mistakes) {
  const found = await findMistake(mistake);
  if (found === undefined) process.exitCode = 1;
  const [seed, rule] =
    found === undefined ? [`none of ${String(mostSeeds)}`, ''] : [String(found.seed), found.violation.rule];
  process.stdout.write(`| ${mistake.name} | ${seed} | ${rule} |\n`);
}
