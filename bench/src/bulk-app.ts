// A large state: about a kilobyte per key, kept until another one is sent.
import { defineApp, json } from '@tandem/streams';
import { z } from 'zod';

const Part = z.object({ id: z.string(), seq: z.int(), bulk: z.string().optional() });
const Counted = z.object({ id: z.string(), seq: z.int(), count: z.int() });

interface Kept {
  readonly id: string;
  readonly seq: number;
  readonly count: number;
  readonly bulk: string;
}

export const bulk = defineApp({
  name: 'bulk',
  version: 1,
  sources: { in: json(Part, { key: 'utf8' }) },
  sinks: { out: json(Counted) },
  build(flow) {
    flow
      .from('in')
      .groupByKey()
      .aggregate<Kept>('kept', {
        initial: { id: '', seq: 0, count: 0, bulk: '' },
        add: (kept, part) => ({ id: part.id, seq: part.seq, count: kept.count + 1, bulk: part.bulk ?? kept.bulk }),
      })
      .toStream()
      .map(({ id, seq, count }) => ({ id, seq, count }))
      .to('out');
  },
});
