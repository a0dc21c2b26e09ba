import type { Publisher } from '@tandem/ports';
import {
  describePublisher,
  describeUnfencedPublisher,
  type PublisherWorld,
  type WrittenRecord,
} from '@tandem/ports/contract';
import {
  instantWire,
  MemoryEndpoint,
  MemoryLog,
  MemorySinks,
  UnfencedMemoryPublisher,
  type MemoryPublisher,
  type MemoryRecord,
} from '@tandem/simulator';
import { ManualClock } from './support/manual-clock.ts';

const scope = { pair: 'p', app: 'app', lane: 0, lanes: 1, tasks: ['in/0', 'in/1'] };

function asWritten({ key, value, timestamp_ms, headers }: MemoryRecord): WrittenRecord {
  return {
    key: key === null ? null : Buffer.from(key).toString(),
    value: value === null ? null : Buffer.from(value).toString(),
    timestamp_ms,
    headers,
  };
}

function fencedWorld(fence: 'epoch' | 'opening'): Promise<PublisherWorld> {
  const clock = new ManualClock();
  const system = new MemorySinks({ clock, fence });
  const logs = ['a', 'b'].map((sink) => ({ sink, log: new MemoryLog({ clock, partitions: 3 }) }));
  const publishers = new Map<Publisher, MemoryPublisher>();
  const of = (publisher: Publisher): MemoryPublisher => {
    const found = publishers.get(publisher);
    if (found === undefined) throw new Error('not one of ours');
    return found;
  };
  return Promise.resolve({
    fence,
    create: () => {
      const publisher = system.connect(logs, scope);
      publishers.set(publisher, publisher);
      return Promise.resolve(publisher);
    },
    written: (sink, partition) => {
      const log = logs[sink]?.log;
      return Promise.resolve((log?.slice(partition, 0, log.bounds(partition).end) ?? []).map(asWritten));
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
}

describePublisher('memory', () => fencedWorld('epoch'));
describePublisher('memory, fenced by openings,', () => fencedWorld('opening'));

describeUnfencedPublisher('memory, without a fence,', () => {
  const clock = new ManualClock();
  const positions = new MemorySinks({ clock });
  const endpoint = new MemoryEndpoint();
  const sinks = ['a', 'b'];
  const logs = sinks.map((sink) => ({ sink, log: new MemoryLog({ clock, partitions: 1 }) }));
  const written: { readonly sink: string; readonly record: MemoryRecord }[] = [];
  endpoint.onWritten = (one) => written.push(one);
  return Promise.resolve({
    create: () => {
      const kept = positions.connect(logs, scope);
      const publisher = new UnfencedMemoryPublisher(endpoint, kept, scope, sinks, instantWire(clock));
      publisher.authorityUntil(Number.POSITIVE_INFINITY);
      return Promise.resolve(publisher);
    },
    written: (sink) =>
      Promise.resolve(written.filter((one) => one.sink === sinks[sink]).map(({ record }) => asWritten(record))),
    loseNextAnswer: () => undefined,
    loseNextRequest: () => undefined,
    breakConnection: () => Promise.resolve(),
    block: () => {
      endpoint.isCut = true;
      return Promise.resolve({
        release: () => {
          endpoint.isCut = false;
          return Promise.resolve();
        },
      });
    },
    until: (condition) => clock.until(condition),
    settle: (work) => clock.settle(work),
    dispose: () => Promise.resolve(),
  });
});
