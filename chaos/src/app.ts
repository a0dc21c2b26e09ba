// What the nodes run in a chaos run: one sink in a log or topic, one in a table. What it must put out is computed anew in
// reference.ts.
import { defineApp, json } from '@tandem/streams';
import { z } from 'zod';

const Numbered = z.object({ n: z.int() });
const Count = z.object({ n: z.int(), count: z.int(), sum: z.int() });
const Part = z.object({ n: z.int(), count: z.int(), part: z.int() });

/** A count for every input; at each third of a key two parts, at others none. */
export const chaos = defineApp({
  name: 'chaos',
  version: 1,
  sources: { numbers: json(Numbered, { key: 'utf8' }) },
  sinks: { counts: json(Count), parts: json(Part) },
  build(flow) {
    const counts = flow
      .from('numbers')
      .groupByKey()
      .aggregate('running', {
        initial: { n: 0, count: 0, sum: 0 },
        add: (total, { n }) => ({ n, count: total.count + 1, sum: total.sum + n }),
      })
      .toStream();
    counts.to('counts');
    counts
      .filter(({ count }) => count % 3 === 0)
      .flatMap(({ n, count }) => [0, 1].map((part) => ({ n, count, part })))
      .to('parts');
  },
});
