// The apps of the failover tests, run by the nodes. What they must put out is computed anew in reference.ts.
import { existsSync, readFileSync } from 'node:fs';
import { defineApp, json } from '@tandem/streams';
import { z } from 'zod';
import { moodFile } from './mood.ts';

/** `pad` is kept in the state, to make it large. `bad` is what the moody app may throw on. */
const Numbered = z.object({ n: z.int(), pad: z.string().optional(), bad: z.boolean().optional() });
const Count = z.object({ n: z.int(), count: z.int(), sum: z.int() });
const Burst = z.object({ n: z.int(), count: z.int(), part: z.int() });
interface Total {
  readonly n: number;
  readonly count: number;
  readonly sum: number;
  readonly pad: string;
}

/** Counts for every input; at each fifth of a key three bursts, at others none. */
function counting(name: string, look: (input: z.infer<typeof Numbered>) => void = () => undefined) {
  return defineApp({
    name,
    version: 1,
    sources: { numbers: json(Numbered, { key: 'utf8' }) },
    sinks: { counts: json(Count), bursts: json(Burst) },
    build(flow) {
      const totals = flow
        .from('numbers')
        .groupByKey()
        .aggregate<Total>('totals', {
          initial: { n: 0, count: 0, sum: 0, pad: '' },
          add(total, input) {
            look(input);
            const { n, pad = total.pad } = input;
            return { n, count: total.count + 1, sum: total.sum + n, pad };
          },
        })
        .toStream();
      totals.map(({ n, count, sum }) => ({ n, count, sum })).to('counts');
      totals
        .filter(({ count }) => count % 5 === 0)
        .flatMap(({ n, count }) => [0, 1, 2].map((part) => ({ n, count, part })))
        .to('bursts');
    },
  });
}

export const tally = counting('tally');
export const twin = counting('twin');

/**
 * Throws on bad records in the processes whose ids are in the file, or in all of them: a fault of the code, or of one
 * node alone. Written by the test, whose process starts the nodes.
 */
export const moody = counting('moody', ({ n, bad }) => {
  if (bad !== true) return;
  const file = moodFile(process.ppid);
  const mood = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (mood === 'all' || mood === String(process.pid)) throw new Error(`no mood for number ${String(n)}`);
});
