import type { Publisher } from '@tandem/ports';
import { describePublisher } from '@tandem/ports/contract';
import { MemoryLog, MemorySinks, type MemoryPublisher } from '@tandem/simulator';
import { ManualClock } from './support/manual-clock.ts';

describePublisher('memory', () => {
  const clock = new ManualClock();
  const system = new MemorySinks({ clock });
  const logs = ['a', 'b'].map((sink) => ({ sink, log: new MemoryLog({ clock, partitions: 3 }) }));
  const publishers = new Map<Publisher, MemoryPublisher>();
  const of = (publisher: Publisher): MemoryPublisher => {
    const found = publishers.get(publisher);
    if (found === undefined) throw new Error('not one of ours');
    return found;
  };
  return Promise.resolve({
    create: () => {
      const publisher = system.connect(logs, { pair: 'p', app: 'app', lane: 0, lanes: 1, tasks: ['in/0', 'in/1'] });
      publishers.set(publisher, publisher);
      return Promise.resolve(publisher);
    },
    written: (sink, partition) => {
      const log = logs[sink]?.log;
      const records = log?.slice(partition, 0, log.bounds(partition).end) ?? [];
      return Promise.resolve(
        records.map((record) => ({
          key: record.key === null ? null : Buffer.from(record.key).toString(),
          value: record.value === null ? null : Buffer.from(record.value).toString(),
          timestamp_ms: record.timestamp_ms,
          headers: record.headers,
        })),
      );
    },
    loseNextAnswer: (publisher) => {
      of(publisher).loseNextAnswer();
    },
    loseNextRequest: (publisher) => {
      of(publisher).loseNextRequest();
    },
    breakConnection: () => Promise.resolve(),
    block: () => {
      system.isBlocked = true;
      return Promise.resolve({
        release: () => {
          system.isBlocked = false;
          return Promise.resolve();
        },
      });
    },
    until: (condition) => clock.until(condition),
    settle: (work) => clock.settle(work),
    dispose: () => Promise.resolve(),
  });
});
