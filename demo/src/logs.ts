// The demo's applications and the logs that they read and write.
import type { AppBinding } from '@tandem/harness';

export const partitions = 4;

export const inputLogs = ['numbers', 'orders'] as const;
export const outputLogs = ['counts', 'totals', 'per-minute', 'dead-letter'] as const;

export const apps: readonly AppBinding[] = [
  { module: 'apps/counter/app.ts', partitions, sources: { numbers: 'numbers' }, sinks: { counts: 'counts' } },
  {
    module: 'apps/orders/app.ts',
    partitions,
    sources: { orders: 'orders' },
    sinks: { totals: 'totals', perMinute: 'per-minute', deadLetter: 'dead-letter' },
  },
];
