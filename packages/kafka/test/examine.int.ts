// tandem doctor's look at a real cluster: the facts come from where they are believed to come from.
import { examineKafka, kafkaSinkSchema, kafkaSourceSchema, positionsTopicSettings, type KafkaUse } from '@tandem/kafka';
import { describeWithStack } from '@tandem/stack';
import { randomBytes } from 'node:crypto';
import { clock } from '@tandem/ports/contract';
import { TestKafka } from './support/kafka.ts';

jest.setTimeout(60_000);

describeWithStack(
  'a cluster under examination',
  () => {
    let kafka: TestKafka;

    beforeAll(async () => {
      kafka = await TestKafka.open();
    });

    afterAll(async () => {
      await kafka.close();
    });

    const uses = (pair: string, source: string, sink: string): KafkaUse => ({
      pair,
      clock,
      persistenceInterval_ms: 30_000,
      apps: [
        {
          publishMaxBytes: 1 << 20,
          sources: { numbers: kafkaSourceSchema.parse({ topic: source }) },
          sinks: { counts: kafkaSinkSchema.parse({ topic: sink }) },
        },
      ],
    });

    it('tells what its topics and its one broker would do to a pair', async () => {
      const pair = `pair-${randomBytes(4).toString('hex')}`;
      const source = await kafka.topic('in', 2, { 'retention.ms': '59999', 'retention.bytes': '4096' });
      const sink = await kafka.topic('out', 2, {
        'max.message.bytes': '2000',
        'unclean.leader.election.enable': 'true',
      });
      const positions = `tandem.${pair}.tally.positions`;
      await kafka.admin.createTopics({
        topics: [
          {
            topic: positions,
            configEntries: Object.entries(positionsTopicSettings).map(([name, value]) => ({ name, value })),
          },
        ],
      });
      const system = kafka.system({ transactionTimeout: '15m' });
      const findings = await examineKafka(system, uses(pair, source, sink));
      expect(findings.map(({ level, what }) => `${level}: ${what}`)).toEqual([
        'warning: the brokers keep one copy of their transactions (transaction.state.log.replication.factor 1)',
        `warning: topics '${source}', '${sink}', '${positions}' have one copy (replication factor 1)`,
        `warning: unclean.leader.election.enable is true for topic '${sink}'`,
        `error: source topic '${source}' keeps records for 59999ms (retention.ms), and revisions are 30s apart`,
        `note: source topic '${source}' keeps 4096 bytes per partition (retention.bytes)`,
        `note: sink topic '${sink}' takes at most 2000 bytes at once (max.message.bytes); a transaction may hold 1048576 (publish.maxBytes)`,
      ]);
    });

    it('names a topic that is missing', async () => {
      const sink = await kafka.topic('there', 1);
      const findings = await examineKafka(kafka.system(), uses('none', 'not-there', sink));
      expect(findings).toContainEqual(
        expect.objectContaining({ level: 'error', what: "there is no topic 'not-there', which is a source" }),
      );
    });

    it('that cannot be reached is an error that says so', async () => {
      const system = kafka.system({ brokers: ['127.0.0.1:1'] });
      await expect(examineKafka(system, uses('none', 'in', 'out'))).rejects.toMatchObject({
        code: 'kafka-unreachable',
      });
    });
  },
  ['kafka'],
);
