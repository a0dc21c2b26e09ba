// An ever-increasing counter: for every number, how many have come for its key and what they add up to. Every output
// differs from the one before by exactly one input, so a lost or doubled record shows at once.
import { defineApp, json } from '@tandem/streams';
import { z } from 'zod';

const Numbered = z.object({ n: z.int() });
const Count = z.object({ n: z.int(), count: z.int(), sum: z.int() });

export const counter = defineApp({
  name: 'counter',
  version: 1,
  sources: { numbers: json(Numbered, { key: 'utf8' }) },
  sinks: { counts: json(Count) },
  build(flow) {
    flow
      .from('numbers')
      .groupByKey()
      .aggregate('running', {
        initial: { n: 0, count: 0, sum: 0 },
        add: (total, { n }) => ({ n, count: total.count + 1, sum: total.sum + n }),
      })
      .toStream()
      .to('counts');
  },
});
