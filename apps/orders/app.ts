// Totals per customer, orders per customer and minute, and dead letters for what cannot be read.
import { defineApp, json, raw, tumbling } from '@tandem/streams';
import { z } from 'zod';

/** `amount` in cents; `ts` in ms. */
const Order = z.object({ customer: z.string(), amount: z.int(), ts: z.int() });
const Total = z.object({ count: z.int(), sum: z.int() });
const PerMinute = z.object({ start: z.int(), count: z.int() });

export const orders = defineApp({
  name: 'orders',
  version: 1,
  sources: { orders: json(Order, { key: 'utf8', timestamp: (order) => order.ts, onInvalid: 'dead-letter' }) },
  sinks: { totals: json(Total), perMinute: json(PerMinute), deadLetter: raw() },
  onError: 'dead-letter',
  build(flow) {
    const valid = flow.from('orders').filter((order) => order.amount > 0);
    valid
      .groupByKey()
      .aggregate('totals', {
        initial: { count: 0, sum: 0 },
        add: (total, order) => ({ count: total.count + 1, sum: total.sum + order.amount }),
      })
      .toStream()
      .to('totals');
    valid
      .groupByKey()
      .windowedBy(tumbling({ size: '1 minute', grace: '5 seconds' }))
      .count('perMinute', { emit: 'on-close' })
      .toStream()
      .to('perMinute');
  },
});
