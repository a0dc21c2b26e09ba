// What Kafka's transactions promise to readers that know nothing of Tandem, whatever happens to the nodes; and an input
// topic that has lost what a node needs.
import { waitFor } from '@tandem/harness';
import { describeWithStack, runJava, sharedTestKafka } from '@tandem/stack';
import { Consumer } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { scenariosOn } from './support/scenario.ts';
import { topicOf } from './support/stacks.ts';
import { Stage } from './support/stage.ts';
import { outputLog, partitions } from './support/staged-apps.ts';

const isolation = { uncommitted: 0, committed: 1 } as const;
const counts = outputLog('tally', 'counts');

describeWithStack(
  'on Kafka and ZooKeeper',
  () => {
    let looker: Consumer;
    let bootstrap: string;

    const scenario = scenariosOn(async () => {
      ({ bootstrap } = await sharedTestKafka());
      const brokers = bootstrap.split(',');
      // Nobody can wait for such a transaction to time out.
      const settings = { kafka: { brokers, transactionTimeout: '10m' } };
      const stage = await Stage.open({ stack: 'kafka', settings });
      looker = new Consumer({ groupId: 'failover-test', clientId: 'failover-test', bootstrapBrokers: brokers });
      stage.onClose(() => looker.close());
      return stage;
    });

    scenario(
      'an active stopped inside of an open transaction holds up no reader, and what it still sends is refused',
      async (stage) => {
        stage.feed().start(1000);
        const active = await stopInsideTransaction(stage);
        const epoch = await stage.epoch();
        await stage.pair.waitActive({ not: active });
        // Committed, and before the last stable offset: nothing open lies in front of them any more.
        await stage.moreOutputs(500);
        stage.pair.signal(active, 'SIGCONT');
        const successor = stage.other(active);
        expect(await stage.ready()).toBe(successor);
        await stage.moreOutputs(200);
        await stage.expectWhole(successor);
        expect(await stage.epoch()).toBeLessThanOrEqual(epoch + 1);
      },
      120_000,
    );

    scenario(
      "Kafka's own console consumer sees each output once, in order, after nodes were killed",
      async (stage) => {
        stage.feed().start(400);
        for (let round = 0; round < 3; round++) {
          const active = await stage.ready();
          await stage.moreOutputs(100);
          await stage.kill(active);
          await stage.pair.waitActive({ not: active });
          await stage.moreOutputs(50);
          stage.pair.start(active);
        }
        await stage.expectExact();
        const last = new Map<string, number>();
        const lines = await consoleConsumer(topicOf(stage, counts));
        for (const line of lines) {
          const [key = '', value = ''] = line.split('\t');
          const { count } = JSON.parse(value) as { count: number };
          expect({ key, count }).toEqual({ key, count: (last.get(key) ?? 0) + 1 });
          last.set(key, count);
        }
        expect(lines).toHaveLength(stage.feed().count);
      },
      180_000,
    );

    /** Until the active is stopped with outputs written that are not committed. @returns which. */
    async function stopInsideTransaction(stage: Stage): Promise<string> {
      return await waitFor('the active is stopped inside of a transaction', { limit_ms: 60_000 }, async () => {
        const active = await stage.ready();
        await stage.moreOutputs(50);
        stage.pair.signal(active, 'SIGSTOP');
        // One that is being committed looks open too, for a moment.
        if ((await isOpen(stage)) && (await isOpen(stage)) && (await isOpen(stage))) return active;
        stage.pair.signal(active, 'SIGCONT');
        return undefined;
      });
    }

    /** Something is written in front of which readers of committed records stop. */
    async function isOpen(stage: Stage): Promise<boolean> {
      const topic = topicOf(stage, counts);
      const question = { topics: [topic], partitions: { [topic]: Array.from({ length: partitions }, (_, at) => at) } };
      const [stable = [], ends = []] = await Promise.all(
        [isolation.committed, isolation.uncommitted].map(async (isolationLevel) =>
          (await looker.listOffsets({ ...question, isolationLevel })).get(topic),
        ),
      );
      return ends.some((end, partition) => end > (stable[partition] ?? 0n));
    }

    async function consoleConsumer(topic: string): Promise<readonly string[]> {
      const { stdout } = await runJava({ source: { main: 'org.apache.kafka.tools.consumer.ConsoleConsumer' } }, [
        ...['--bootstrap-server', bootstrap, '--topic', topic, '--isolation-level', 'read_committed'],
        ...['--from-beginning', '--timeout-ms', '10000', '--property', 'print.key=true'],
      ]);
      return stdout.trimEnd().split('\n');
    }
  },
  ['kafka', 'zookeeper', 'kafka-4.1'],
);

describeWithStack(
  'an input topic',
  () => {
    const scenario = scenariosOn(() => Stage.open({ stack: 'kafka' }));

    scenario(
      'that was truncated beyond the position of a stopped pair fails the app, which says so and skips nothing',
      async (stage) => {
        const truncated = 2;
        await stage.feed().append(500);
        await stage.expectExact();
        for (const id of stage.pair.ids) await stage.pair.process(id)?.stop();
        await stage.feed().append(500);
        const before = (await stage.logs.ends(counts, partitions))[truncated];
        const inputEnd = (await stage.logs.ends('in', partitions))[truncated] ?? 0;
        await truncate(topicOf(stage, 'in'), truncated, inputEnd - 1);
        for (const id of stage.pair.ids) stage.pair.start(id);
        await waitFor('the app has failed', { limit_ms: 60_000 }, async () => {
          const apps = await Promise.all(stage.pair.ids.map((id) => stage.app(id, 'tally')));
          const failed = apps.find(({ condition }) => condition === 'failed');
          if (failed === undefined) return undefined;
          expect(failed.reason).toMatch(
            /^source 'numbers' no longer holds partition 2 position \d+: the first that is there is \d+; /,
          );
          return true;
        });
        expect((await stage.logs.ends(counts, partitions))[truncated]).toBe(before);
        // Tasks that lack nothing may have gone on until the app was failed.
        await stage.expectBeginning('tally', { without: truncated });
      },
      120_000,
    );

    async function truncate(topic: string, partition: number, first: number): Promise<void> {
      const { bootstrap } = await sharedTestKafka();
      const brokers = bootstrap.split(',');
      const admin = new Kafka({ clientId: 'failover-test', brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      // It must have looked at the topic before.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(first) }] });
      await admin.disconnect();
    }
  },
  ['kafka', 'zookeeper'],
);
