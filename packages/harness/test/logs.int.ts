// What an outsider writes to the logs of a system and reads from them, the same on each.
import { randomBytes } from 'node:crypto';
import { sharedTestServer } from '@tandem/embedded';
import { KafkaLogs, partitionOf, PostgresLogs, waitFor, type LogRecord, type Logs } from '@tandem/harness';
import { describeWithStack, sharedTestKafka } from '@tandem/stack';
import { Kafka, logLevel } from 'kafkajs';

jest.setTimeout(60_000);

interface World {
  readonly logs: Logs;
  dispose(): Promise<void>;
}

function describeLogs(make: () => Promise<World>): void {
  let world: World;

  beforeAll(async () => {
    world = await make();
  });

  afterAll(async () => {
    await world.dispose();
  });

  it('are read as they were written, in order within a partition, from the beginning and as they come', async () => {
    const { logs } = world;
    const writer = await logs.writer('written', 3);
    const add = (from: number, to: number) => {
      for (let n = from; n < to; n++) writer.add(`k${String(n % 7)}`, `v${String(n)}`, { timestamp_ms: n });
    };
    add(0, 100);
    expect(writer.pending).toBe(100);
    await writer.flush();
    const seen: LogRecord[] = [];
    const failures: Error[] = [];
    const watch = await logs.watch({
      log: 'written',
      partitions: 3,
      onArrival: ({ records }) => seen.push(...records),
      onFailure: (error) => failures.push(error),
    });
    add(100, 150);
    await writer.flush();
    await waitFor('all have come', { limit_ms: 20_000 }, () => (seen.length >= 150 ? true : undefined));
    await watch.close();
    await writer.close();
    expect(failures).toEqual([]);
    const due = (partition: number) =>
      Array.from({ length: 150 }, (_, n) => ({ key: `k${String(n % 7)}`, value: `v${String(n)}` })).filter(
        ({ key }) => partitionOf(key, 3) === partition,
      );
    for (let partition = 0; partition < 3; partition++) {
      const read: LogRecord[] = [];
      for await (const page of logs.read('written', partition)) read.push(...page);
      expect(read.map(({ key, value }) => ({ key, value }))).toEqual(due(partition));
      expect(seen.filter((record) => record.partition === partition)).toEqual(read);
    }
    const ends = await logs.ends('written', 3);
    expect(ends.reduce((sum, end) => sum + end, 0)).toBe(150);
    expect(await logs.describe()).toMatch(/^(PostgreSQL|Kafka) /);
  });

  it('are read from where one wants to begin', async () => {
    const { logs } = world;
    const writer = await logs.writer('later', 1);
    for (let n = 0; n < 20; n++) writer.add(null, String(n));
    await writer.flush();
    await writer.close();
    const seen: string[] = [];
    const watch = await logs.watch({
      log: 'later',
      partitions: 1,
      from: [15],
      onArrival: ({ records }) => seen.push(...records.map(({ value }) => value)),
      onFailure: () => undefined,
    });
    await waitFor('the rest has come', { limit_ms: 20_000 }, () => (seen.length >= 5 ? true : undefined));
    await watch.close();
    expect(seen).toEqual(['15', '16', '17', '18', '19']);
  });

  it('are read to an end while somebody goes on writing', async () => {
    const { logs } = world;
    const writer = await logs.writer('busy', 2);
    let written = 0;
    const write = async (): Promise<void> => {
      for (let n = 0; n < 10; n++) writer.add(null, String(written++));
      await writer.flush();
    };
    await write();
    const before = written;
    const over = new AbortController();
    const writing = (async () => {
      while (!over.signal.aborted) await write();
    })();
    const read = new Set<number>();
    for (const partition of [0, 1]) {
      for await (const page of logs.read('busy', partition)) for (const { value } of page) read.add(Number(value));
    }
    over.abort();
    await writing;
    await writer.close();
    for (let n = 0; n < before; n++) expect(read).toContain(n);
  });

  it('may be empty', async () => {
    const { logs } = world;
    await logs.create('empty', 2);
    for await (const page of logs.read('empty', 1)) throw new Error(`${String(page.length)} records of nobody`);
    expect(await logs.ends('empty', 2)).toEqual([0, 0]);
  });
}

describe('logs in PostgreSQL', () => {
  describeLogs(async () => {
    const database = await (await sharedTestServer()).createDatabase();
    const logs = new PostgresLogs(database.url);
    return {
      logs,
      dispose: async () => {
        await logs.close();
        await database.drop();
      },
    };
  });
});

describeWithStack(
  'logs in Kafka',
  () => {
    const prefix = `harness-${randomBytes(4).toString('hex')}-`;

    describeLogs(async () => {
      const logs = new KafkaLogs({ ...(await sharedTestKafka()), prefix });
      return { logs, dispose: () => logs.close() };
    });

    it('are read to their end, however large the batches of this and of other partitions are', async () => {
      const { bootstrap } = await sharedTestKafka();
      const logs = new KafkaLogs({ bootstrap, prefix });
      const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      const producer = kafka.producer();
      const topic = logs.topic('large');
      try {
        await Promise.all([admin.connect(), producer.connect()]);
        const configEntries = [{ name: 'max.message.bytes', value: '3000000' }];
        await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3, configEntries }] });
        // More than a consumer asks for by default, and more often than it takes to conclude that nothing comes.
        for (let n = 0; n < 6; n++) {
          const messages = [0, 1, 2].map((partition) => ({ partition, value: String(n).padEnd(1_200_000) }));
          await producer.send({ topic, messages });
        }
        for (const partition of [2, 1, 0]) {
          const read: number[] = [];
          for await (const page of logs.read('large', partition)) read.push(...page.map(({ value }) => Number(value)));
          expect(read).toEqual([0, 1, 2, 3, 4, 5]);
        }
      } finally {
        await Promise.all([admin.disconnect(), producer.disconnect(), logs.close()]);
      }
    });

    it('do not show what a transaction has not committed, nor what it gave up', async () => {
      const { bootstrap } = await sharedTestKafka();
      const logs = new KafkaLogs({ bootstrap, prefix });
      const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING });
      const producer = kafka.producer({ transactionalId: prefix, idempotent: true, maxInFlightRequests: 1 });
      try {
        await logs.create('transactions', 1);
        await producer.connect();
        const topic = logs.topic('transactions');
        for (const [value, commits] of [
          ['committed', true],
          ['given up', false],
          ['committed too', true],
        ] as const) {
          const transaction = await producer.transaction();
          await transaction.send({ topic, messages: [{ value, partition: 0 }] });
          await (commits ? transaction.commit() : transaction.abort());
        }
        const open = await producer.transaction();
        await open.send({ topic, messages: [{ value: 'not yet', partition: 0 }] });
        const read: string[] = [];
        for await (const page of logs.read('transactions', 0)) read.push(...page.map(({ value }) => value));
        expect(read).toEqual(['committed', 'committed too']);
        // Three records, each with the marker of its transaction.
        expect(await logs.ends('transactions', 1)).toEqual([6]);
        await open.abort();
      } finally {
        await producer.disconnect();
        await logs.close();
      }
    });
  },
  ['kafka'],
);
