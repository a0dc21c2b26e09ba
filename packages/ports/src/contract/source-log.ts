// What every SourceLog must do, run on the in-memory one and on every real one.
import { asPosition, type Position } from '@tandem/pair';
import type { SourceGap, SourceLog, SourceReader } from '../source-log.ts';

/** A record to append; null is a record without key or value. */
export interface NewRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp_ms?: number;
  readonly headers?: readonly string[];
}

/** One log with three partitions, empty at first, and the means to write to it and to do harm to its readers. Time may be virtual. */
export interface SourceLogWorld {
  /** A client of the log such as another process would have. */
  create(): Promise<SourceLog>;
  /** Appends in this order; others may append at the same time. */
  append(partition: number, records: readonly NewRecord[]): Promise<void>;
  /** Offsets may hold no record: those of what was undone, and of the marks that transactions leave. */
  readonly isSparse?: boolean;
  /** Appends in a transaction that is undone after a while. Undefined where the system has none. */
  appendAndUndo: ((partition: number, records: readonly NewRecord[]) => Promise<void>) | undefined;
  /** The log drops the records before this offset, by whatever means it has. */
  drop(partition: number, before: number): Promise<void>;
  /** Every connection of every reader breaks, once. */
  breakConnections(): Promise<void>;
  /** Nothing can be reached until `heal`. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  /** Lets time pass until the condition holds; rejects after a generous limit. */
  until(condition: () => boolean): Promise<void>;
  /** Lets time pass until the call is answered. */
  settle<T>(work: Promise<T>): Promise<T>;
  dispose(): Promise<void>;
}

interface SeenRecord {
  readonly position: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp_ms: number;
  readonly headers: readonly string[] | undefined;
}

/** Takes whatever a reader has, whenever it has something. */
class Consumer {
  readonly records = new Map<number, SeenRecord[]>();
  readonly gaps: SourceGap[] = [];
  readonly faults: string[] = [];
  readonly reader: SourceReader;
  readonly #next = new Map<number, number>();
  readonly #isSparse: boolean;

  constructor(log: SourceLog, positions: ReadonlyMap<number, Position>, isSparse: boolean) {
    this.#isSparse = isSparse;
    for (const [partition, position] of positions) this.#next.set(partition, position);
    this.reader = log.read(positions);
    this.reader.onReady = () => {
      this.drain();
    };
    this.drain();
  }

  drain(): void {
    for (let taken = this.reader.take(); taken !== undefined; taken = this.reader.take()) {
      if (taken.kind === 'gap') {
        this.gaps.push({ ...taken });
        continue;
      }
      const seen = this.of(taken.partition);
      while (taken.next()) {
        if (!this.#follows(taken.partition, taken.position)) {
          this.faults.push(`partition ${String(taken.partition)}: ${String(taken.position)} out of order`);
        }
        this.#next.set(taken.partition, taken.position + 1);
        const { bytes, keyStart, keyEnd, valueStart, valueEnd } = taken;
        seen.push({
          position: taken.position,
          key: keyEnd < 0 ? null : bytes.toString('utf8', keyStart, keyEnd),
          value: valueEnd < 0 ? null : bytes.toString('utf8', valueStart, valueEnd),
          timestamp_ms: taken.timestamp_ms,
          headers: taken.headers(),
        });
      }
      if (!this.#follows(taken.partition, taken.nextPosition)) {
        this.faults.push(`partition ${String(taken.partition)}: next position ${String(taken.nextPosition)}`);
      }
      this.#next.set(taken.partition, taken.nextPosition);
    }
  }

  #follows(partition: number, position: number): boolean {
    const next = this.#next.get(partition) ?? 0;
    return this.#isSparse ? position >= next : position === next;
  }

  of(partition: number): SeenRecord[] {
    const seen = this.records.get(partition) ?? [];
    this.records.set(partition, seen);
    return seen;
  }

  values(partition: number): (string | null)[] {
    return this.of(partition).map((record) => record.value);
  }
}

const at = (positions: Readonly<Record<number, number>>): ReadonlyMap<number, Position> =>
  new Map(Object.entries(positions).map(([partition, position]) => [Number(partition), asPosition(position)]));

const numbered = (from: number, to: number): NewRecord[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${String(from + i)}`, value: `v${String(from + i)}` }));

const valuesOf = (records: readonly NewRecord[]): (string | null)[] => records.map((record) => record.value);

export function describeSourceLog(name: string, make: () => Promise<SourceLogWorld>): void {
  describe(`${name} as a source log`, () => {
    let world: SourceLogWorld;
    let log: SourceLog;
    let consumers: Consumer[];

    beforeEach(async () => {
      world = await make();
      log = await world.settle(world.create());
      consumers = [];
    });

    afterEach(async () => {
      await world.settle(Promise.all(consumers.map((consumer) => consumer.reader.close())));
      await world.settle(log.close());
      await world.dispose();
      expect(consumers.flatMap((consumer) => consumer.faults)).toEqual([]);
    });

    function consume(positions: Readonly<Record<number, number>>): Consumer {
      const consumer = new Consumer(log, at(positions), world.isSparse === true);
      consumers.push(consumer);
      return consumer;
    }

    const append = (partition: number, records: readonly NewRecord[]): Promise<void> =>
      world.settle(world.append(partition, records));

    describe('reading', () => {
      it('says how many partitions there are', async () => {
        expect(await world.settle(log.partitions())).toBe(3);
      });

      it('hands out key, value, time and headers as they were appended', async () => {
        const records: NewRecord[] = [
          { key: 'a', value: '{"n":1}', timestamp_ms: 1_700_000_000_123 },
          { key: null, value: 'no key', timestamp_ms: 0 },
          { key: 'tombstone', value: null, timestamp_ms: 1_700_000_000_124 },
          { key: '', value: '', timestamp_ms: 1_699_999_999_999 },
          {
            key: 'ключ',
            value: 'värde \u0001 🎈',
            timestamp_ms: 4_102_444_800_000,
            headers: ['trace', 'ü', 'trace', ''],
          },
        ];
        await append(1, records);
        const consumer = consume({ 0: 0, 1: 0, 2: 0 });
        await world.until(() => consumer.of(1).length === records.length);
        expect(consumer.of(1)).toEqual(
          records.map((record, position) => ({ headers: undefined, ...record, position })),
        );
        expect(consumer.of(0)).toEqual([]);
      });

      it('begins at the given position of each partition', async () => {
        await append(0, numbered(0, 10));
        await append(1, numbered(0, 10));
        const consumer = consume({ 0: 7, 1: 10 });
        await append(1, numbered(10, 11));
        await world.until(() => consumer.of(0).length === 3 && consumer.of(1).length === 1);
        expect(consumer.values(0)).toEqual(['v7', 'v8', 'v9']);
        expect(consumer.values(1)).toEqual(['v10']);
      });

      it('reads only the partitions it was asked for', async () => {
        await append(0, numbered(0, 2));
        await append(2, numbered(0, 2));
        const consumer = consume({ 2: 0 });
        await world.until(() => consumer.of(2).length === 2);
        expect([...consumer.records.keys()]).toEqual([2]);
      });

      it('calls onReady for what arrives after it had nothing', async () => {
        const consumer = consume({ 0: 0, 1: 0 });
        await append(1, numbered(0, 1));
        await world.until(() => consumer.of(1).length === 1);
        await append(0, numbered(0, 2));
        await world.until(() => consumer.of(0).length === 2);
        await append(1, numbered(1, 2));
        await world.until(() => consumer.of(1).length === 2);
      });

      it('hands out long stretches whole and in order, whatever its pages', async () => {
        const records = numbered(0, 12_000).map((record, i) =>
          i % 1000 === 0 ? { ...record, value: 'x'.repeat(200_000 + i) } : record,
        );
        for (let from = 0; from < records.length; from += 3000) {
          await append(0, records.slice(from, from + 3000));
        }
        await append(2, numbered(0, 3));
        const consumer = consume({ 0: 0, 2: 0 });
        await world.until(() => consumer.of(0).length === records.length && consumer.of(2).length === 3);
        expect(consumer.values(0).join()).toBe(valuesOf(records).join());
      });

      it('knows the end of each partition, read or not', async () => {
        await append(0, numbered(0, 5));
        const consumer = consume({ 0: 0, 1: 0 });
        await world.until(() => consumer.reader.end(0) === 5 && consumer.reader.end(1) === 0);
        consumer.reader.setPaused(0, true);
        await append(0, numbered(5, 8));
        await world.until(() => consumer.reader.end(0) === 8);
      });

      it('lets several readers go their own way', async () => {
        await append(0, numbered(0, 3));
        const first = consume({ 0: 0 });
        const second = consume({ 0: 1 });
        await world.until(() => first.of(0).length === 3 && second.of(0).length === 2);
        await append(0, numbered(3, 4));
        await world.until(() => first.of(0).length === 4 && second.of(0).length === 3);
      });

      it('hands out nothing more once it is closed', async () => {
        const consumer = consume({ 0: 0 });
        const other = consume({ 0: 0 });
        await world.settle(consumer.reader.close());
        await append(0, numbered(0, 2));
        await world.until(() => other.of(0).length === 2);
        expect(consumer.of(0)).toEqual([]);
      });
    });

    describe('order', () => {
      it('has no gap and keeps each writer in order while several write and some undo', async () => {
        const consumer = consume({ 0: 0, 1: 0, 2: 0 });
        const writers = 5;
        const rounds = 12;
        await world.settle(
          Promise.all(
            Array.from({ length: writers }, async (_, writer) => {
              for (let round = 0; round < rounds; round++) {
                const partition = (writer + round) % 2;
                const records = [0, 1].map((part) => ({
                  key: `w${String(writer)}`,
                  value: `${String(writer)}:${String(round * 2 + part)}`,
                }));
                if (round % 4 === 3) await world.appendAndUndo?.(partition, [{ key: 'undone', value: 'undone' }]);
                await world.append(partition, records);
              }
            }),
          ),
        );
        const total = writers * rounds * 2;
        await world.until(() => consumer.of(0).length + consumer.of(1).length === total);
        for (const partition of [0, 1]) {
          const last = new Map<string, number>();
          for (const { key, value } of consumer.of(partition)) {
            const [writer, sequence] = (value ?? '').split(':');
            expect(key).toBe(`w${String(writer)}`);
            expect(Number(sequence)).toBeGreaterThan(last.get(String(writer)) ?? -1);
            last.set(String(writer), Number(sequence));
          }
          const { first, end } = await world.settle(log.bounds(partition));
          expect(first).toBe(0);
          if (world.isSparse === true) expect(end).toBeGreaterThanOrEqual(consumer.of(partition).length);
          else expect(end).toBe(consumer.of(partition).length);
        }
      });
    });

    describe('pausing', () => {
      it('holds back a paused partition while the others go on, and resumes where it stopped', async () => {
        const consumer = consume({ 0: 0, 1: 0 });
        consumer.reader.setPaused(0, true);
        await append(0, numbered(0, 3));
        await append(1, numbered(0, 3));
        await world.until(() => consumer.of(1).length === 3 && consumer.reader.end(0) === 3);
        expect(consumer.of(0)).toEqual([]);
        consumer.reader.setPaused(0, false);
        consumer.drain();
        await world.until(() => consumer.of(0).length === 3);
      });

      it('holds back what had been fetched already', async () => {
        await append(0, numbered(0, 3));
        const reader = log.read(at({ 0: 0 }));
        await world.until(() => reader.end(0) === 3);
        reader.setPaused(0, true);
        expect(reader.take()).toBeUndefined();
        let ready = 0;
        reader.onReady = () => {
          ready++;
        };
        reader.setPaused(0, false);
        await world.until(() => ready > 0);
        expect(reader.take()).toMatchObject({ kind: 'batch', partition: 0, nextPosition: 3 });
        await world.settle(reader.close());
      });
    });

    describe('gaps (S9)', () => {
      it('says so when the position is before the first record kept', async () => {
        await append(0, numbered(0, 6));
        await append(1, numbered(0, 2));
        await world.settle(world.drop(0, 4));
        const consumer = consume({ 0: 2, 1: 0 });
        await world.until(() => consumer.gaps.length === 1 && consumer.of(1).length === 2);
        expect(consumer.gaps).toEqual([{ kind: 'gap', partition: 0, wanted: 2, first: 4 }]);
        expect(consumer.of(0)).toEqual([]);
      });

      it('says it once, and stops only that partition', async () => {
        await append(0, numbered(0, 6));
        await world.settle(world.drop(0, 4));
        const consumer = consume({ 0: 0, 1: 0 });
        await world.until(() => consumer.gaps.length === 1);
        await append(0, numbered(6, 8));
        await append(1, numbered(0, 2));
        await world.until(() => consumer.of(1).length === 2);
        expect(consumer.gaps).toHaveLength(1);
        expect(consumer.of(0)).toEqual([]);
      });

      it('never jumps when records go that were still to be read', async () => {
        await append(0, numbered(0, 3));
        const consumer = consume({ 0: 0 });
        await world.until(() => consumer.of(0).length === 3);
        consumer.reader.setPaused(0, true);
        await append(0, numbered(3, 9));
        await world.settle(world.drop(0, 7));
        consumer.reader.setPaused(0, false);
        consumer.drain();
        // A reader that had asked before it was paused may have been given all of them before they went.
        await world.until(() => consumer.gaps.length === 1 || consumer.of(0).length === 9);
        expect(consumer.values(0)).toEqual(valuesOf(numbered(0, consumer.of(0).length)));
        const [gap] = consumer.gaps;
        if (gap !== undefined) expect(gap).toMatchObject({ wanted: consumer.of(0).length, first: 7 });
      });

      it('takes a position beyond the end for a gap, for that log is not the one that was read', async () => {
        await append(0, numbered(0, 3));
        const consumer = consume({ 0: 5 });
        await world.until(() => consumer.gaps.length === 1);
        expect(consumer.gaps[0]).toMatchObject({ partition: 0, wanted: 5 });
      });

      it('reads on from the end of a partition that has been emptied', async () => {
        await append(0, numbered(0, 3));
        await world.settle(world.drop(0, 3));
        expect(await world.settle(log.bounds(0))).toEqual({ first: 3, end: 3 });
        const consumer = consume({ 0: 3 });
        await append(0, numbered(3, 4));
        await world.until(() => consumer.of(0).length === 1);
        expect(consumer.gaps).toEqual([]);
      });
    });

    describe('finding positions', () => {
      it('has bounds 0 and 0 in an empty partition', async () => {
        expect(await world.settle(log.bounds(1))).toEqual({ first: 0, end: 0 });
      });

      it('resolves earliest and latest', async () => {
        await append(0, numbered(0, 6));
        await world.settle(world.drop(0, 2));
        expect(await world.settle(log.resolve(0, 'earliest'))).toBe(2);
        expect(await world.settle(log.resolve(0, 'latest'))).toBe(6);
        expect(await world.settle(log.resolve(1, 'earliest'))).toBe(0);
        expect(await world.settle(log.resolve(1, 'latest'))).toBe(0);
      });

      it('resolves a time to the first record that is not before it, or the end', async () => {
        const times = [1000, 2000, 1500, 3000];
        await append(
          0,
          times.map((timestamp_ms) => ({ key: null, value: 'x', timestamp_ms })),
        );
        const resolve = (time_ms: number): Promise<Position> => world.settle(log.resolve(0, { time_ms }));
        expect(await resolve(0)).toBe(0);
        expect(await resolve(1000)).toBe(0);
        expect(await resolve(1001)).toBe(1);
        expect(await resolve(2001)).toBe(3);
        expect(await resolve(3000)).toBe(3);
        expect(await resolve(3001)).toBe(4);
      });

      it('takes note of what is no longer needed', async () => {
        await append(0, numbered(0, 3));
        await world.settle(log.releaseBefore(0, 'pair/app', asPosition(2)));
        const consumer = consume({ 0: 2 });
        await world.until(() => consumer.of(0).length === 1);
      });
    });

    describe('trouble (L2)', () => {
      it('goes on by itself after its connection broke, losing and doubling nothing', async () => {
        const consumer = consume({ 0: 0, 1: 0 });
        await append(0, numbered(0, 500));
        await world.until(() => consumer.of(0).length > 0);
        await world.settle(world.breakConnections());
        await append(0, numbered(500, 700));
        await append(1, numbered(0, 5));
        await world.until(() => consumer.of(0).length === 700 && consumer.of(1).length === 5);
        expect(consumer.values(0)).toEqual(valuesOf(numbered(0, 700)));
      });

      it('says why it cannot read, and stops saying it when it can again', async () => {
        const consumer = consume({ 0: 0 });
        await world.until(() => consumer.reader.trouble() === undefined);
        await world.settle(world.cut());
        await world.until(() => consumer.reader.trouble() !== undefined);
        await world.settle(world.heal());
        await append(0, numbered(0, 2));
        await world.until(() => consumer.of(0).length === 2);
        expect(consumer.reader.trouble()).toBeUndefined();
      });
    });
  });
}
