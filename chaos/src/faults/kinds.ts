// Every kind of fault. A new one is added at the end of its list; seeds mean other schedules from then on.
import { connectionFaults } from './connections.ts';
import type { Fault } from './fault.ts';
import { linkFaults } from './link.ts';
import { loadFaults } from './load.ts';
import { processFaults } from './processes.ts';
import { serverFaults } from './servers.ts';
import { sinkFaults } from './sink.ts';

export const faultKinds: readonly Fault[] = [
  ...processFaults,
  ...linkFaults,
  ...serverFaults,
  ...connectionFaults,
  ...sinkFaults,
  ...loadFaults,
];
