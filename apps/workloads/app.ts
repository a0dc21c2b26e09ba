// The workloads that Tandem is measured by, the same work as their counterparts on other systems: W1 passes records
// through, W2 counts by key, W3 counts by key and window. JSON in, JSON out, schema-checked on both sides.
import { defineApp, json, tumbling } from '@tandem/streams';
import { z } from 'zod';

const Reading = z.object({ id: z.string(), amount: z.number(), ts: z.number(), pad: z.string() });
const Doubled = z.object({ ...Reading.shape, double: z.number() });

/** Drops small amounts, doubles the others. */
export const w1 = defineApp({
  name: 'w1-passthrough',
  version: 1,
  sources: { in: json(Reading, { timestamp: (reading) => reading.ts }) },
  sinks: { out: json(Doubled) },
  build(flow) {
    flow
      .from('in')
      .filter((reading) => reading.amount >= 10)
      .map(({ id, amount, ts, pad }) => ({ id, amount, ts, pad, double: 2 * amount }))
      .to('out');
  },
});

/** In steady mode records carry a sequence number and when they were sent, instead of padding. */
const Sent = z.object({
  id: z.string(),
  amount: z.number(),
  ts: z.number(),
  seq: z.number().optional(),
  sent: z.number().optional(),
});
const Counted = z.object({
  id: z.string(),
  count: z.number(),
  sum: z.number(),
  ts: z.number(),
  seq: z.number().optional(),
  sent: z.number().optional(),
});
type Counted = z.infer<typeof Counted>;

/** Running count and sum per key. The total is the output itself: what an output says of its input is kept with it. */
export const w2 = defineApp({
  name: 'w2-keyed-count',
  version: 1,
  sources: { in: json(Sent, { key: 'utf8', timestamp: (reading) => reading.ts }) },
  sinks: { out: json(Counted) },
  build(flow) {
    flow
      .from('in')
      .groupByKey()
      .aggregate<Counted>('counts', {
        initial: { id: '', count: 0, sum: 0, ts: 0 },
        add(total, { id, amount, ts, seq, sent }) {
          const count = total.count + 1;
          const sum = total.sum + amount;
          return seq === undefined ? { id, count, sum, ts } : { id, count, sum, ts, seq, sent };
        },
      })
      .toStream()
      .to('out');
  },
});

const Timed = z.object({ id: z.string(), ts: z.number() });
const Windowed = z.object({ id: z.string(), start: z.number(), count: z.number() });

/** Count per key and 10 seconds of event time, put out when the window closes. */
export const w3 = defineApp({
  name: 'w3-tumbling-window',
  version: 1,
  sources: { in: json(Timed, { key: 'utf8', timestamp: (reading) => reading.ts }) },
  sinks: { out: json(Windowed) },
  build(flow) {
    flow
      .from('in')
      .groupByKey()
      .windowedBy(tumbling({ size: '10 seconds' }))
      .count('windows', { emit: 'on-close' })
      .toStream()
      .map(({ start, count }, ctx) => ({ id: ctx.key, start, count }))
      .to('out');
  },
});
