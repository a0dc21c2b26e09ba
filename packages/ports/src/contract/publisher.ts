// What every Publisher must do, run on the in-memory one and on every real one: `describePublisher` for those whose sinks
// have a fence and transactions, `describeUnfencedPublisher`, a part of it, for those that only keep positions so.
import { asEpoch, asPosition, type Positions } from '@tandem/pair';
import type { OpenOutcome, OutputBatch, Publisher, PublishOutcome } from '../publisher.ts';
import { outputBatch, restOf, type NewOutput } from './output-batch.ts';

export interface WrittenRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp_ms: number;
  readonly headers: readonly string[] | undefined;
}

/**
 * One lane's sinks, two of them with three partitions each, its tasks `in/0` and `in/1`, nothing published yet, and the
 * means to do harm. Time may be virtual.
 */
export interface PublisherWorld {
  /**
   * Who may publish. `epoch`, unless said otherwise: the fence holds an epoch, turns away lower ones and names the one
   * that it holds. `opening`: whoever opened last, whatever its epoch; what is stored tells the epoch that wrote last.
   */
  readonly fence?: 'epoch' | 'opening';
  /** The lane's publisher such as another process would have. */
  create(): Promise<Publisher>;
  /** What a reader of the sink sees, in order. */
  written(sink: number, partition: number): Promise<readonly WrittenRecord[]>;
  /** The publisher's next transaction takes effect, but its answer does not arrive. */
  loseNextAnswer(publisher: Publisher): void;
  /** The publisher's next transaction does not arrive, and its connection breaks. */
  loseNextRequest(publisher: Publisher): void;
  /** The publisher's connection breaks now, while nothing is under way. */
  breakConnection(publisher: Publisher): Promise<void>;
  /** Somebody else makes publishing impossible for longer than a publisher waits, until it is released. */
  block(): Promise<{ release(): Promise<void> }>;
  until(condition: () => boolean): Promise<void>;
  settle<T>(work: Promise<T>): Promise<T>;
  dispose(): Promise<void>;
}

const task = 'in/0';
const genesis: Positions = new Map([
  ['in/0', asPosition(10)],
  ['in/1', asPosition(20)],
]);

/** One output per input, to sink 0, partition 0. */
function step(from: number, to: number): OutputBatch {
  const outputs = Array.from({ length: to - from }, (_, i): NewOutput => {
    const position = from + i;
    return { sink: 0, partition: 0, position, key: 'k', value: `out ${String(position)}`, timestamp_ms: position };
  });
  return outputBatch([[task, from, to]], outputs);
}

const expected = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `out ${String(from + i)}`);

/** Of publishers whose sinks refuse an older opening, and take outputs and positions in one transaction. */
export function describePublisher(name: string, make: () => Promise<PublisherWorld>): void {
  describeAny(name, make, true);
}

/**
 * Of publishers whose sinks take outputs from anybody (S11). Publishers are made with authority for as long as the test
 * takes, and their sinks have one partition each.
 */
export function describeUnfencedPublisher(name: string, make: () => Promise<PublisherWorld>): void {
  describeAny(name, make, false);
}

function describeAny(name: string, make: () => Promise<PublisherWorld>, isFenced: boolean): void {
  const partitions = isFenced ? 3 : 1;
  /** Demands that the sink itself refuses, or takes all or nothing. */
  const ifFenced = (what: string, test: () => Promise<void>): void => {
    if (isFenced) it(what, test);
  };

  describe(`${name} as a publisher`, () => {
    let world: PublisherWorld;
    let made: Publisher[];

    beforeEach(async () => {
      world = await make();
      made = [];
    });

    afterEach(async () => {
      await world.settle(Promise.all(made.map((publisher) => publisher.close())));
      await world.dispose();
    });

    async function create(): Promise<Publisher> {
      const publisher = await world.settle(world.create());
      made.push(publisher);
      await world.settle(publisher.layout());
      return publisher;
    }

    const open = (publisher: Publisher, epoch: number, initialise?: Positions): Promise<OpenOutcome> =>
      world.settle(publisher.open(asEpoch(epoch), initialise));

    const fencesByEpoch = (): boolean => world.fence !== 'opening';
    /** What an open answers; `stored`: what a fence that holds epochs held before. */
    const openedAfter = (stored: number | undefined): object => ({
      outcome: 'opened',
      storedEpoch: fencesByEpoch() ? stored : undefined,
    });
    const fencedBy = (epoch: number): object => ({ outcome: 'fenced', byEpoch: fencesByEpoch() ? epoch : undefined });

    async function opened(epoch: number, initialise?: Positions): Promise<Publisher> {
      const publisher = await create();
      expect(await open(publisher, epoch, initialise)).toMatchObject({ outcome: 'opened' });
      return publisher;
    }

    const publish = (publisher: Publisher, batch: OutputBatch): Promise<PublishOutcome> =>
      world.settle(publisher.publish(batch));

    /** As a lane does: tries again what may be tried again, and goes on with what is left. */
    async function published(publisher: Publisher, batch: OutputBatch): Promise<void> {
      const answers: PublishOutcome[] = [];
      let left = batch;
      while (answers.length < 20) {
        const answer = await publish(publisher, left);
        if (answer.outcome === 'published') {
          if (answer.part === undefined) return;
          left = restOf(left, answer.part);
          if (left.moves.length === 0) return;
          continue;
        }
        answers.push(answer);
        if (answer.outcome !== 'retryable') break;
      }
      throw new Error(`not published: ${JSON.stringify(answers)}`);
    }

    const values = async (sink = 0, partition = 0): Promise<(string | null)[]> =>
      (await world.settle(world.written(sink, partition))).map((record) => record.value);

    async function stored(publisher: Publisher): Promise<Record<string, number>> {
      return Object.fromEntries((await world.settle(publisher.readBack())).positions);
    }

    describe('publishing', () => {
      it('says how many partitions each sink has, in the order given', async () => {
        const publisher = await create();
        const layout = await world.settle(publisher.layout());
        expect(layout.map((sink) => sink.partitions)).toEqual([partitions, partitions]);
      });

      ifFenced('writes key, value, time and headers to sink and partition as told', async () => {
        const publisher = await opened(1, genesis);
        const outputs: NewOutput[] = [
          { sink: 0, partition: 2, key: 'a', value: '{"n":1}', timestamp_ms: 1_700_000_000_123 },
          { sink: 1, partition: 0, key: null, value: 'no key', timestamp_ms: 0, headers: ['trace', 'ü', 'trace', ''] },
          { sink: 0, partition: 2, key: 'tombstone', value: null, timestamp_ms: 1_700_000_000_124 },
          { sink: 0, partition: 1, key: '', value: '', timestamp_ms: 4_102_444_800_000 },
        ];
        expect(await publish(publisher, outputBatch([[task, 10, 13]], outputs))).toEqual({ outcome: 'published' });
        expect(await world.settle(world.written(0, 2))).toEqual([
          { key: 'a', value: '{"n":1}', timestamp_ms: 1_700_000_000_123, headers: undefined },
          { key: 'tombstone', value: null, timestamp_ms: 1_700_000_000_124, headers: undefined },
        ]);
        expect(await world.settle(world.written(1, 0))).toEqual([
          { key: null, value: 'no key', timestamp_ms: 0, headers: ['trace', 'ü', 'trace', ''] },
        ]);
        expect(await world.settle(world.written(0, 1))).toEqual([
          { key: '', value: '', timestamp_ms: 4_102_444_800_000, headers: undefined },
        ]);
      });

      it('keeps the order of each partition over many batches', async () => {
        const publisher = await opened(1, genesis);
        for (let from = 10; from < 70; from += 20) await published(publisher, step(from, from + 20));
        expect(await values()).toEqual(expected(10, 70));
        expect(await stored(publisher)).toEqual({ 'in/0': 70, 'in/1': 20 });
      });

      it('moves positions without outputs, and several tasks at once', async () => {
        const publisher = await opened(1, genesis);
        const moves = outputBatch(
          [
            ['in/0', 10, 11],
            ['in/1', 20, 500],
          ],
          [],
        );
        await published(publisher, moves);
        expect(await stored(publisher)).toEqual({ 'in/0': 11, 'in/1': 500 });
      });

      it('takes a large batch', async () => {
        const publisher = await opened(1, genesis);
        const outputs = Array.from({ length: 5000 }, (_, i): NewOutput => ({
          sink: i % 2,
          partition: i % partitions,
          position: 10 + i,
          key: `k${String(i)}`,
          value: `${'x'.repeat(150)}${String(i)}`,
        }));
        await published(publisher, outputBatch([[task, 10, 5010]], outputs));
        const all = Array.from({ length: partitions }, async (_, partition) => (await values(1, partition)).length);
        const sizes = await Promise.all(all);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2500);
      });
    });

    describe('positions', () => {
      it('are absent until they are initialised, and absent is not zero', async () => {
        const publisher = await opened(1);
        expect(await stored(publisher)).toEqual({});
        expect(await publish(publisher, step(0, 1))).toMatchObject({ outcome: 'fenced' });
        expect(await values()).toEqual([]);
      });

      it('are initialised by an open, which raises lower ones and keeps higher ones', async () => {
        const publisher = await opened(1, genesis);
        expect(await stored(publisher)).toEqual({ 'in/0': 10, 'in/1': 20 });
        await open(
          publisher,
          1,
          new Map([
            ['in/0', asPosition(15)],
            ['in/1', asPosition(5)],
          ]),
        );
        expect(await stored(publisher)).toEqual({ 'in/0': 15, 'in/1': 20 });
      });

      it('must be exactly where the batch begins, or nothing is written', async () => {
        const publisher = await opened(1, genesis);
        await published(publisher, step(10, 12));
        for (const wrong of [step(10, 12), step(11, 13), step(13, 14)]) {
          expect(await publish(publisher, wrong)).toMatchObject({ outcome: 'fenced' });
        }
        const oneWrong = outputBatch(
          [
            ['in/0', 12, 13],
            ['in/1', 19, 21],
          ],
          [{ sink: 0, partition: 0, key: 'k', value: 'must not show' }],
        );
        expect(await publish(publisher, oneWrong)).toMatchObject({ outcome: 'fenced' });
        expect(await values()).toEqual(expected(10, 12));
        const again = await opened(1);
        expect(await stored(again)).toEqual({ 'in/0': 12, 'in/1': 20 });
        await published(again, step(12, 13));
        expect(await values()).toEqual(expected(10, 13));
      });

      it('are read back with the epoch that the fence holds, or that wrote last', async () => {
        const first = await opened(3, genesis);
        expect((await world.settle(first.readBack())).epoch).toBe(3);
        const second = await create();
        expect(await open(second, 4)).toEqual(openedAfter(3));
        expect((await world.settle(second.readBack())).epoch).toBe(fencesByEpoch() ? 4 : 3);
        await published(second, step(10, 11));
        const third = await opened(5);
        expect((await world.settle(third.readBack())).epoch).toBe(fencesByEpoch() ? 5 : 4);
      });
    });

    describe('the fence (S2)', () => {
      it('knows of no epoch at the first open', async () => {
        const publisher = await create();
        expect(await open(publisher, 7)).toEqual({ outcome: 'opened', storedEpoch: undefined });
      });

      ifFenced('refuses whoever opened with a lower epoch', async () => {
        const old = await opened(1, genesis);
        await published(old, step(10, 12));
        const young = await opened(2);
        expect(await publish(old, step(12, 14))).toEqual(fencedBy(2));
        await published(young, step(12, 13));
        expect(await publish(old, step(13, 14))).toMatchObject({ outcome: 'fenced' });
        expect(await values()).toEqual(expected(10, 13));
      });

      ifFenced('refuses whoever opened before in the same epoch', async () => {
        const first = await opened(1, genesis);
        const second = await opened(1);
        expect(await publish(first, step(10, 11))).toEqual(fencedBy(1));
        await published(second, step(10, 11));
        expect(await values()).toEqual(expected(10, 11));
      });

      it('turns away an open with a lower epoch, or tells it of the higher one before it publishes', async () => {
        const holder = await opened(5, genesis);
        const late = await create();
        if (!fencesByEpoch()) {
          // The lane leaves by itself then; the holder has to open again.
          expect(await open(late, 4)).toMatchObject({ outcome: 'opened' });
          expect((await world.settle(late.readBack())).epoch).toBe(5);
          expect(await publish(holder, step(10, 11))).toMatchObject({ outcome: 'fenced' });
          expect(await open(holder, 5)).toMatchObject({ outcome: 'opened' });
          expect(await publish(late, step(10, 11))).toMatchObject({ outcome: 'fenced' });
          await published(holder, step(10, 11));
          expect(await values()).toEqual(expected(10, 11));
          return;
        }
        expect(await open(late, 4)).toEqual({ outcome: 'fenced', byEpoch: 5 });
        expect(await publish(late, step(10, 11))).toMatchObject({ outcome: 'fenced' });
        await published(holder, step(10, 11));
        expect(await values()).toEqual(expected(10, 11));
      });

      ifFenced('lets the one that was fenced go on after opening again', async () => {
        const first = await opened(1, genesis);
        const second = await opened(2);
        expect(await publish(first, step(10, 11))).toMatchObject({ outcome: 'fenced' });
        expect(await open(first, 3)).toEqual(openedAfter(2));
        await published(first, step(10, 11));
        expect(await publish(second, step(11, 12))).toMatchObject({ outcome: 'fenced' });
        expect(await values()).toEqual(expected(10, 11));
      });

      ifFenced('leaves positions stable after open: nothing of the one before arrives any more', async () => {
        const old = await opened(1, genesis);
        const underWay = old.publish(step(10, 60));
        const young = await create();
        const [outcome] = await world.settle(Promise.all([underWay, young.open(asEpoch(2), undefined)]));
        const position = (await stored(young))['in/0'];
        expect(position === 10 || position === 60).toBe(true);
        if (outcome.outcome === 'published') expect(position).toBe(60);
        expect(await values()).toEqual(expected(10, position ?? 0));
        await published(young, step(position ?? 0, 61));
        expect(await values()).toEqual(expected(10, 61));
        expect((await publish(old, step(61, 62))).outcome).toBe('fenced');
      });

      ifFenced('lets exactly one of many rivals publish each step', async () => {
        const rivals = [await opened(1, genesis), await create(), await create()];
        let position = 10;
        for (let round = 0; round < 6; round++) {
          const epoch = 2 + Math.floor(round / 2);
          const outcomes = await world.settle(
            Promise.all(
              rivals.map(async (rival) => {
                const opening = await rival.open(asEpoch(epoch), undefined);
                return opening.outcome === 'opened'
                  ? (await rival.publish(step(position, position + 2))).outcome
                  : 'not opened';
              }),
            ),
          );
          const count = outcomes.filter((outcome) => outcome === 'published').length;
          expect(count).toBeLessThanOrEqual(1);
          const reader = await opened(epoch);
          const now = (await stored(reader))['in/0'] ?? -1;
          expect(now).toBe(position + count * 2);
          position = now;
        }
        expect(await values()).toEqual(expected(10, position));
      });
    });

    describe('trouble', () => {
      ifFenced('knows after a lost answer that the batch was published', async () => {
        const publisher = await opened(1, genesis);
        world.loseNextAnswer(publisher);
        await published(publisher, step(10, 12));
        await published(publisher, step(12, 13));
        expect(await values()).toEqual(expected(10, 13));
      });

      ifFenced(
        'knows after a lost request that the batch was not published, and tries again, told to or by itself',
        async () => {
          const publisher = await opened(1, genesis);
          world.loseNextRequest(publisher);
          const outcome = await publish(publisher, step(10, 12));
          if (outcome.outcome !== 'published') {
            expect(outcome).toMatchObject({ outcome: 'retryable' });
            expect(await values()).toEqual([]);
            await published(publisher, step(10, 12));
          }
          expect(await values()).toEqual(expected(10, 12));
        },
      );

      ifFenced('does not take a lost answer for success when somebody else has opened since', async () => {
        const old = await opened(1, genesis);
        world.loseNextRequest(old);
        const young = await opened(2);
        expect(await publish(old, step(10, 12))).toEqual(fencedBy(2));
        await published(young, step(10, 11));
        expect(await values()).toEqual(expected(10, 11));
      });

      it('goes on in the same opening when its connection broke between two batches', async () => {
        const publisher = await opened(1, genesis);
        await published(publisher, step(10, 11));
        await world.settle(world.breakConnection(publisher));
        await published(publisher, step(11, 12));
        expect(await values()).toEqual(expected(10, 12));
      });

      it('loses nothing while the sink is blocked', async () => {
        const publisher = await opened(1, genesis);
        const blocked = await world.settle(world.block());
        expect(await publish(publisher, step(10, 12))).toMatchObject({ outcome: 'retryable' });
        await world.settle(blocked.release());
        await published(publisher, step(10, 12));
        expect(await values()).toEqual(expected(10, 12));
      });

      it('is fenced, not broken, when it is asked to publish without having opened', async () => {
        const publisher = await create();
        expect(await publish(publisher, step(10, 11))).toMatchObject({ outcome: 'fenced' });
      });
    });

    describe('preparing', () => {
      it('changes nothing and fences nobody, however often it is done', async () => {
        const holder = await opened(3, genesis);
        await published(holder, step(10, 12));
        const other = await create();
        for (let round = 0; round < 3; round++) await world.settle(other.prepare(step(12, 14)));
        await published(holder, step(12, 14));
        expect(await values()).toEqual(expected(10, 14));
        expect(await stored(holder)).toMatchObject({ 'in/0': 14 });
        expect((await world.settle(holder.readBack())).epoch).toBe(3);
      });

      ifFenced('leaves an open to do all that it does otherwise', async () => {
        const old = await opened(1, genesis);
        const prepared = await create();
        await world.settle(prepared.layout());
        await world.settle(prepared.prepare(step(10, 12)));
        await published(old, step(10, 11));
        expect(await open(prepared, 2)).toEqual(openedAfter(1));
        expect(await publish(old, step(11, 12))).toMatchObject({ outcome: 'fenced' });
        await published(prepared, step(11, 13));
        expect(await values()).toEqual(expected(10, 13));
      });

      it('after an opening is over publishes nothing more without opening again', async () => {
        const publisher = await opened(1, genesis);
        await published(publisher, step(10, 11));
        await world.settle(publisher.prepare(step(11, 12)));
        expect(await publish(publisher, step(11, 12))).toMatchObject({ outcome: 'fenced' });
        expect(await open(publisher, 2)).toEqual(openedAfter(1));
        await published(publisher, step(11, 12));
        expect(await values()).toEqual(expected(10, 12));
      });

      it('may overlap with an open that comes meanwhile', async () => {
        const publisher = await create();
        const preparing = publisher.prepare();
        const opening = publisher.open(asEpoch(1), genesis);
        await world.settle(preparing);
        expect(await world.settle(opening)).toMatchObject({ outcome: 'opened' });
        await published(publisher, step(10, 11));
        expect(await values()).toEqual(expected(10, 11));
      });
    });

    describe('following', () => {
      it('reports positions as they become durable, and fences nobody', async () => {
        const publisher = await opened(1, genesis);
        const passive = await create();
        const seen = new Map<string, number>();
        const following = passive.follow((positions) => {
          for (const [of, position] of positions) seen.set(of, position);
        });
        await world.until(() => seen.get('in/0') === 10 && seen.get('in/1') === 20);
        await published(publisher, step(10, 15));
        await world.until(() => seen.get('in/0') === 15);
        await published(publisher, step(15, 16));
        await world.until(() => seen.get('in/0') === 16);
        await world.settle(following.stop());
        await published(publisher, step(16, 17));
        expect(seen.get('in/0')).toBe(16);
      });

      it('begins before anything was ever published', async () => {
        const passive = await create();
        const seen: Positions[] = [];
        const following = passive.follow((positions) => {
          seen.push(positions);
        });
        await opened(1, genesis);
        await world.until(() => seen.length > 0);
        expect(seen[0]?.get('in/0')).toBe(10);
        await world.settle(following.stop());
      });
    });
  });
}
