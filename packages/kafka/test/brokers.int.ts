// Brokers that are killed and come back, and leaders that move, while a lane publishes and reads.
import { createKafkaSource, kafkaSourceSchema, type PublisherOptions } from '@tandem/kafka';
import { asEpoch, asPosition } from '@tandem/pair';
import type { Publisher } from '@tandem/ports';
import { outputBatch, type NewOutput } from '@tandem/ports/contract';
import { describeWithStack, startKafka, type KafkaServer } from '@tandem/stack';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { clock, until } from '@tandem/ports/contract';
import { proxied, TestKafka } from './support/kafka.ts';
import { requests } from './support/proxy.ts';
import { createPublisher, positionsOf, readAll } from './support/publishing.ts';

const genesis = new Map([
  ['in/0', asPosition(0)],
  ['in/1', asPosition(0)],
]);
const partitions = 3;

/** One output per input of task in/0. */
function step(from: number, to: number) {
  const outputs = Array.from({ length: to - from }, (_, i): NewOutput => {
    const n = from + i;
    return {
      sink: 0,
      partition: n % partitions,
      position: n,
      key: 'k',
      value: String(n),
      timestamp_ms: 1_700_000_000_000,
    };
  });
  return outputBatch([['in/0', from, to]], outputs);
}

/** Publishes as a lane does, opening again whenever it must, until it is told to stop; resolves with the next position. */
async function publishUntil(publisher: Publisher, isEnough: (position: number) => boolean): Promise<number> {
  for (;;) {
    const opening = await publisher.open(asEpoch(1), undefined);
    if (opening.outcome === 'fatal') throw opening.cause;
    if (opening.outcome !== 'opened') continue;
    let position = await publisher.readBack().then(
      ({ positions }) => positions.get('in/0') ?? -1,
      () => undefined,
    );
    while (position !== undefined) {
      if (isEnough(position)) return position;
      const outcome = await publisher.publish(step(position, position + 10));
      if (outcome.outcome === 'published') position += 10;
      else if (outcome.outcome === 'fatal') throw outcome.cause;
      else if (outcome.outcome === 'fenced') position = undefined;
    }
  }
}

async function expectAllOnce(kafka: TestKafka, topic: string, end: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const values = (await readAll(kafka, topic, partition)).map(({ value }) => Number(value));
    const all = Array.from({ length: end }, (_, n) => n).filter((n) => n % partitions === partition);
    expect(values).toEqual(all);
  }
}

describeWithStack(
  'Kafka that fails',
  () => {
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tandem-kafka-brokers-'));
    });

    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    describe.each([
      ['one broker', 1, 'native'],
      ['three brokers', 3, 'native'],
      ['one broker by kafkajs', 1, 'kafkajs'],
    ] as const)('%s', (name, brokers, client) => {
      let server: KafkaServer;
      let kafka: TestKafka;
      let topic: string;
      let publisher: Publisher;
      let app: string;

      beforeAll(async () => {
        const properties = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200' };
        server = await startKafka({ dataDir: path.join(folder, name.replaceAll(' ', '-')), brokers, properties });
        kafka = await TestKafka.open(server.bootstrap, client);
      }, 180_000);

      afterAll(async () => {
        await kafka.close();
        await server.stop();
      }, 60_000);

      beforeEach(async () => {
        app = kafka.newName('app');
        topic = await kafka.topic(kafka.newName('sink'), partitions);
        await positionsOf(kafka, app);
        publisher = create();
        await until(async () => (await publisher.open(asEpoch(1), genesis)).outcome === 'opened');
      }, 60_000);

      afterEach(async () => {
        await publisher.close();
      });

      const create = (more: Partial<PublisherOptions> = {}): Publisher => createPublisher(kafka, app, [topic], more);

      it('loses and doubles nothing when brokers are killed in the middle of transactions and come back', async () => {
        let isOver = false;
        let reached = 0;
        const publishing = publishUntil(publisher, (position) => {
          reached = position;
          return isOver;
        });
        for (const broker of server.brokers) {
          const before = reached;
          await until(() => reached > before + 50);
          await broker.kill();
          // With copies it goes on without this one.
          if (brokers > 1) await until(() => reached > before + 200, 60_000);
          await broker.start();
        }
        const last = reached;
        await until(() => reached > last + 50, 60_000);
        isOver = true;
        await expectAllOnce(kafka, topic, await publishing);
      }, 240_000);

      it('is read on from where it was when brokers come back', async () => {
        await publishUntil(publisher, (position) => position >= 100);
        const source = await createKafkaSource({
          system: kafka.system(),
          binding: kafkaSourceSchema.parse({ topic }),
          clock,
          log: () => undefined,
        });
        const reader = source.read(new Map([0, 1, 2].map((partition) => [partition, asPosition(0)])));
        const seen: number[] = [];
        const drain = (): void => {
          for (let taken = reader.take(); taken !== undefined; taken = reader.take()) {
            if (taken.kind === 'gap') throw new Error('a gap');
            while (taken.next()) seen.push(Number(taken.bytes.toString('utf8', taken.valueStart, taken.valueEnd)));
          }
        };
        reader.onReady = drain;
        drain();
        await until(() => seen.length === 100);
        const [broker] = server.brokers;
        await broker?.kill();
        await until(() => reader.trouble() !== undefined);
        await broker?.start();
        await publishUntil(publisher, (position) => position >= 200);
        await until(() => seen.length === 200, 60_000);
        expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
        await until(() => reader.trouble() === undefined);
        await source.close();
      }, 120_000);

      // One broker alone has no others that could go on.
      if (brokers > 1) {
        it('says all the while that a partition cannot be read, whatever the others deliver', async () => {
          const place = kafka.newName('placed');
          const replicaAssignment = server.brokers.map(({ id }, partition) => ({ partition, replicas: [id] }));
          await kafka.admin.createTopics({ waitForLeaders: false, topics: [{ topic: place, replicaAssignment }] });
          await until(async () => (await kafka.admin.fetchTopicOffsets(place).catch(() => [])).length === partitions);
          const source = await createKafkaSource({
            system: kafka.system(),
            binding: kafkaSourceSchema.parse({ topic: place }),
            clock,
            log: () => undefined,
          });
          const reader = source.read(new Map([0, 1, 2].map((partition) => [partition, asPosition(0)])));
          await until(() => reader.trouble() === undefined);
          const [broker] = server.brokers;
          await broker?.kill();
          await until(() => reader.trouble() !== undefined);
          const said = new Set<boolean>();
          let read = 0;
          reader.onReady = () => {
            said.add(reader.trouble() !== undefined);
            while (reader.take() !== undefined) read += 1;
          };
          reader.onReady();
          for (let round = 0; round < 100; round += 1) {
            const before = read;
            await kafka.append(place, 1 + (round % 2), [{ key: 'k', value: String(round) }]);
            await until(() => read > before, 30_000);
          }
          expect([...said]).toEqual([true]);
          await broker?.start();
          await until(() => reader.trouble() === undefined, 60_000);
          await source.close();
        }, 120_000);
      }

      it('ends a transaction that its node leaves open for too long, and the node is fenced by that', async () => {
        const link = await proxied(kafka.brokers);
        const slow = create({
          system: kafka.system({ transactionTimeout: '1s' }),
          settings: { addressOf: link.addressOf },
        });
        expect(await slow.open(asEpoch(2), undefined)).toMatchObject({ outcome: 'opened' });
        const position = (await slow.readBack()).positions.get('in/0') ?? -1;
        let wake = (): void => undefined;
        const isAwake = new Promise<void>((resolve) => (wake = resolve));
        let isAsleep = false;
        for (const proxy of link.proxies) {
          proxy.holdRequest(requests.endTxn, isAwake, () => {
            isAsleep = true;
          });
        }
        const publishing = slow.publish(step(position, position + 10));
        await until(() => isAsleep);
        // Seen by whoever may not look behind an open transaction.
        const source = await createKafkaSource({
          system: kafka.system(),
          binding: kafkaSourceSchema.parse({ topic }),
          clock,
          log: () => undefined,
        });
        const { end } = await source.bounds(0);
        await until(async () => (await source.bounds(0)).end > end);
        wake();
        expect(await publishing).toEqual({ outcome: 'fenced', byEpoch: undefined });
        await expectAllOnce(kafka, topic, position);
        await source.close();
        await slow.close();
        await link.close();
      }, 60_000);
    });
  },
  ['kafka-4.1'],
);
