// Topics as sources, on whichever Kafka and by whichever client.
import { createKafkaSource, kafkaSourceSchema, type SourceOptions } from '@tandem/kafka';
import { asPosition } from '@tandem/pair';
import { clock, describeSourceLog, until } from '@tandem/ports/contract';
import { proxied, TestKafka } from '../support/kafka.ts';
import { readAll } from '../support/publishing.ts';

const quick = { retryFirst_ms: 5, retryMost_ms: 50, endPoll_ms: 50 };

export function describeSources(open: () => Promise<TestKafka>): void {
  let kafka: TestKafka;

  beforeAll(async () => {
    kafka = await open();
  }, 120_000);

  afterAll(async () => {
    await kafka.close();
  });

  const source = (topic: string, more: Partial<SourceOptions> = {}) =>
    createKafkaSource({
      system: kafka.system(),
      binding: kafkaSourceSchema.parse({ topic }),
      clock,
      log: () => undefined,
      settings: quick,
      ...more,
    });

  describeSourceLog('a topic', async () => {
    const topic = await kafka.topic(kafka.newName(), 3);
    const link = await proxied(kafka.brokers);
    const { proxies, addressOf } = link;
    return {
      create: () => source(topic, { settings: { ...quick, addressOf } }),
      append: (partition, records) => kafka.append(topic, partition, records),
      appendAndUndo: (partition, records) => kafka.appendAndUndo(topic, partition, records),
      isSparse: true,
      drop: (partition, before) => kafka.drop(topic, partition, before),
      breakConnections: () => {
        for (const proxy of proxies) proxy.breakLinks();
        return Promise.resolve();
      },
      cut: () => {
        for (const proxy of proxies) proxy.die();
        return Promise.resolve();
      },
      heal: () => {
        for (const proxy of proxies) proxy.revive();
        return Promise.resolve();
      },
      until,
      settle: (work) => work,
      dispose: () => link.close(),
    };
  });

  describe('a topic that is not fit to be a source', () => {
    it('is missing', async () => {
      await expect(source(kafka.newName('nowhere'))).rejects.toMatchObject({ code: 'topic-missing', blame: 'user' });
    });

    it('is compacted, unless the user says that the app bears it', async () => {
      const topic = await kafka.topic(kafka.newName('compacted'), 1, { 'cleanup.policy': 'compact' });
      await expect(source(topic)).rejects.toMatchObject({
        code: 'source-compacted',
        blame: 'user',
        message: expect.stringContaining('compacted: true') as string,
      });
      const accepted = await source(topic, { binding: kafkaSourceSchema.parse({ topic, compacted: true }) });
      expect(await accepted.partitions()).toBe(1);
      await accepted.close();
    });

    it('cannot be reached', async () => {
      const system = { ...kafka.system(), brokers: ['127.0.0.1:1'] };
      await expect(source('any', { system })).rejects.toMatchObject({ code: 'kafka-unreachable', blame: 'failure' });
    });
  });

  it('gives what a resumed partition holds without waiting for news of the others', async () => {
    const topic = await kafka.topic(kafka.newName(), 2);
    for (const partition of [0, 1]) await kafka.append(topic, partition, [{ key: null, value: 'one' }]);
    // Only what is not behind a long poll comes before this test's end.
    const log = await source(topic, { settings: { ...quick, longPoll_ms: 3_600_000 } });
    const reader = log.read(
      new Map([
        [0, asPosition(0)],
        [1, asPosition(0)],
      ]),
    );
    reader.setPaused(0, true);
    await until(() => reader.take()?.partition === 1);
    await kafka.append(topic, 0, [{ key: null, value: 'two' }]);
    await until(() => reader.end(0) === 2);
    reader.setPaused(0, false);
    await until(() => reader.take()?.partition === 0);
    await log.close();
  });

  describe('transactions in a source', () => {
    it('are seen when they are committed, never when they are undone, whatever their producer did before and after', async () => {
      const topic = await kafka.topic(kafka.newName(), 1);
      const producer = kafka.client.producer({
        transactionalId: kafka.newName('writer'),
        allowAutoTopicCreation: false,
      });
      await producer.connect();
      const committed: string[] = [];
      for (let round = 0; round < 30; round++) {
        const transaction = await producer.transaction();
        const isUndone = round % 3 === 1;
        const values = [0, 1, 2].map((n) => `${isUndone ? 'undone' : 'kept'} ${String(round)}.${String(n)}`);
        await transaction.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) });
        if (isUndone) await transaction.abort();
        else {
          await transaction.commit();
          committed.push(...values);
        }
        if (round % 5 === 0) {
          await kafka.append(topic, 0, [{ key: null, value: `plain ${String(round)}` }]);
          committed.push(`plain ${String(round)}`);
        }
      }
      await producer.disconnect();
      const read = (await readAll(kafka, topic, 0)).map(({ value }) => value ?? '');
      // A plain record may overtake the mark of the transaction before it, not the records.
      expect(read.toSorted()).toEqual(committed.toSorted());
      expect(read.filter((value) => value.startsWith('kept'))).toEqual(
        committed.filter((value) => value.startsWith('kept')),
      );
    }, 60_000);

    it('hold back what is behind them while they are open, in the end that is told too', async () => {
      const topic = await kafka.topic(kafka.newName(), 1);
      const log = await source(topic);
      const producer = kafka.client.producer({
        transactionalId: kafka.newName('writer'),
        allowAutoTopicCreation: false,
      });
      await producer.connect();
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value: 'first', partition: 0 }] });
      await kafka.append(topic, 0, [{ key: null, value: 'behind' }]);
      expect(await log.bounds(0)).toEqual({ first: 0, end: 0 });
      expect(await log.resolve(0, 'latest')).toBe(0);
      const reader = log.read(new Map([[0, asPosition(0)]]));
      await until(() => reader.end(0) === 0);
      expect(reader.take()).toBeUndefined();
      await transaction.commit();
      await producer.disconnect();
      await until(() => reader.end(0) === 3);
      const batch = reader.take();
      expect(batch).toMatchObject({ kind: 'batch', nextPosition: 3 });
      await log.close();
    });
  });
}
