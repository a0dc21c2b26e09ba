import { describeSourceLog, type NewRecord } from '@tandem/ports/contract';
import { MemoryLog, type MemoryRecord } from '@tandem/simulator';
import { ManualClock } from './support/manual-clock.ts';

const stored = (record: NewRecord): MemoryRecord => ({
  key: record.key === null ? null : Buffer.from(record.key),
  value: record.value === null ? null : Buffer.from(record.value),
  timestamp_ms: record.timestamp_ms ?? 0,
  headers: record.headers,
});

describeSourceLog('memory', () => {
  const clock = new ManualClock();
  const log = new MemoryLog({ clock, partitions: 3 });
  const done = Promise.resolve();
  return Promise.resolve({
    create: () => Promise.resolve(log.connect()),
    append: (partition, records) => {
      log.append(partition, records.map(stored));
      return done;
    },
    appendAndUndo: undefined,
    drop: (partition, before) => {
      log.drop(partition, before);
      return done;
    },
    breakConnections: () => {
      log.breakConnections();
      return done;
    },
    cut: () => {
      log.cut();
      return done;
    },
    heal: () => {
      log.heal();
      return done;
    },
    until: (condition) => clock.until(condition),
    settle: (work) => clock.settle(work),
    dispose: () => done,
  });
});
