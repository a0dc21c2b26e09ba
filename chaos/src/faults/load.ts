// More inputs than usual, for a while.
import type { Fault } from './fault.ts';

const factor = 10;

const burst: Fault = {
  name: 'burst',
  targets: () => ['inputs'],
  duration_ms: [1000, 5000],
  holds: () => ['load'],
  explainsRoleChange: () => false,
  inject({ feed }) {
    feed.factor = factor;
    return Promise.resolve(() => {
      feed.factor = 1;
      return Promise.resolve();
    });
  },
};

export const loadFaults: readonly Fault[] = [burst];
