import { kafkaSinkSchema, kafkaSourceSchema, positionsTopic, prepareTopics, type AppTopics } from '@tandem/kafka';
import { describeWithStack } from '@tandem/stack';
import { ConfigResourceTypes } from 'kafkajs';
import { TestKafka } from './support/kafka.ts';
import { createPublisher } from './support/publishing.ts';

const pair = 'p';

describeWithStack(
  'topics before the lanes start',
  () => {
    let kafka: TestKafka;

    beforeAll(async () => {
      kafka = await TestKafka.open();
    }, 120_000);

    afterAll(async () => {
      await kafka.close();
    });

    const useOf = (
      sources: Record<string, unknown>,
      sinks: Record<string, unknown>,
      more: Partial<AppTopics> = {},
    ) => ({
      app: kafka.newName('app'),
      lanes: 1,
      sources: Object.fromEntries(Object.entries(sources).map(([name, to]) => [name, kafkaSourceSchema.parse(to)])),
      sinks: Object.fromEntries(Object.entries(sinks).map(([name, to]) => [name, kafkaSinkSchema.parse(to)])),
      ...more,
    });

    const prepare = (...apps: AppTopics[]): Promise<void> => prepareTopics(kafka.system(), pair, apps);

    async function partitionsOf(topic: string): Promise<number> {
      const { topics } = await kafka.admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions.length ?? 0;
    }

    it('are made where the configuration says so, with one for published positions, by both nodes at once', async () => {
      const [input, output] = [kafka.newName('in'), kafka.newName('out')];
      const app = useOf(
        { orders: { topic: input, create: { partitions: 3 } } },
        { totals: { topic: output, create: { partitions: 2, replication: 1 } } },
        { lanes: 2 },
      );
      await Promise.all([prepare(app), prepare(app)]);
      await prepare(app);
      expect(await partitionsOf(input)).toBe(3);
      expect(await partitionsOf(output)).toBe(2);
      const positions = positionsTopic(pair, app.app);
      expect(await partitionsOf(positions)).toBe(3);
      const { resources } = await kafka.admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: positions, configNames: ['cleanup.policy'] }],
      });
      expect(resources[0]?.configEntries[0]).toMatchObject({ configValue: 'compact' });
    }, 30_000);

    it('are refused when they are missing, or have other partitions than they were to be made with', async () => {
      const there = await kafka.topic(kafka.newName('there'), 3);
      await expect(prepare(useOf({ orders: { topic: kafka.newName('no') } }, {}))).rejects.toMatchObject({
        code: 'topic-missing',
        blame: 'user',
        message: expect.stringContaining("source 'orders': there is no topic") as string,
      });
      await expect(prepare(useOf({}, { totals: { topic: there, create: { partitions: 4 } } }))).rejects.toMatchObject({
        code: 'topic-partitions',
        message: expect.stringContaining('has 3 partitions') as string,
      });
      await prepare(useOf({ orders: { topic: there } }, {}));
    }, 30_000);

    it('are refused when they lose records that a replay, or the published positions, need', async () => {
      const compacted = await kafka.topic(kafka.newName('compacted'), 1, { 'cleanup.policy': 'compact' });
      await expect(prepare(useOf({ orders: { topic: compacted } }, {}))).rejects.toMatchObject({
        code: 'source-compacted',
      });
      await prepare(useOf({ orders: { topic: compacted, compacted: true } }, {}));
      const app = useOf({}, { totals: { topic: compacted } });
      await kafka.topic(positionsTopic(pair, app.app), 2, { 'cleanup.policy': 'delete' });
      await expect(prepare(app)).rejects.toMatchObject({ code: 'positions-policy' });
    }, 30_000);

    it('get partitions for the positions of more lanes', async () => {
      const output = await kafka.topic(kafka.newName('out'), 1);
      const app = useOf({}, { totals: { topic: output } });
      await prepare(app);
      await prepare({ ...app, lanes: 4 });
      expect(await partitionsOf(positionsTopic(pair, app.app))).toBe(5);
    }, 30_000);

    it('cannot be prepared where no broker answers', async () => {
      const system = { ...kafka.system(), brokers: ['127.0.0.1:1'] };
      const app = useOf({ orders: { topic: 'any' } }, {});
      await expect(prepareTopics(system, pair, [app])).rejects.toMatchObject({
        code: 'kafka-unreachable',
        blame: 'failure',
        message: expect.stringContaining('127.0.0.1:1') as string,
      });
    }, 30_000);

    it('are looked at once more by the lane', async () => {
      const output = await kafka.topic(kafka.newName('out'), 1);
      const app = kafka.newName('app');
      const without = createPublisher(kafka, app, [output]);
      await expect(without.layout()).rejects.toMatchObject({ code: 'topic-missing', blame: 'user' });
      await kafka.topic(positionsTopic(pair, app), 1, { 'cleanup.policy': 'compact' });
      const nowhere = createPublisher(kafka, app, [kafka.newName('nowhere')]);
      await expect(nowhere.layout()).rejects.toMatchObject({
        code: 'topic-missing',
        message: expect.stringMatching(/^sink 'nowhere.*add create/) as string,
      });
      const scope = { pair, app, lane: 1, lanes: 2, tasks: [] };
      const narrow = createPublisher(kafka, app, [output], { scope });
      await expect(narrow.layout()).rejects.toMatchObject({ code: 'topic-partitions' });
      const fit = createPublisher(kafka, app, [output]);
      expect(await fit.layout()).toEqual([{ sink: output, partitions: 1 }]);
      await Promise.all([without, nowhere, narrow, fit].map((publisher) => publisher.close()));
    }, 30_000);
  },
  ['kafka'],
);
