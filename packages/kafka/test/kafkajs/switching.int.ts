// A pair that changes from one client to the other: positions, fences, and what tools see, are the same for both.
import { forgetPublished, highestPublished, readPublished, type KafkaSystem } from '@tandem/kafka';
import { asEpoch, asPosition } from '@tandem/pair';
import type { Publisher } from '@tandem/ports';
import { clock, outputBatch, until, type NewOutput } from '@tandem/ports/contract';
import { describeWithStack } from '@tandem/stack';
import { proxied, TestKafka } from '../support/kafka.ts';
import { createPublisher, pair, positionsOf, readAll } from '../support/publishing.ts';

const task = 'in/0';
const other: Readonly<Record<KafkaSystem['client'], KafkaSystem['client']>> = { native: 'kafkajs', kafkajs: 'native' };

function step(from: number, to: number) {
  const outputs = Array.from({ length: to - from }, (_, i): NewOutput => {
    const position = from + i;
    const headers = position % 2 === 0 ? { headers: ['trace', `t${String(position)}`] } : {};
    return { sink: 0, partition: 0, position, key: 'k', value: `out ${String(position)}`, ...headers };
  });
  return outputBatch([[task, from, to]], outputs);
}

describeWithStack(
  'a pair that changes its client',
  () => {
    let kafka: TestKafka;
    let app: string;
    let topic: string;
    let publishers: Publisher[];

    beforeAll(async () => {
      kafka = await TestKafka.open();
    }, 120_000);

    beforeEach(async () => {
      publishers = [];
      app = kafka.newName('app');
      topic = await kafka.topic(kafka.newName('sink'), 1);
      await positionsOf(kafka, app);
    });

    afterEach(async () => {
      await Promise.all(publishers.map((publisher) => publisher.close()));
    });

    afterAll(async () => {
      await kafka.close();
    });

    function create(client: KafkaSystem['client']): Publisher {
      const publisher = createPublisher(kafka, app, [topic], { system: kafka.system({ client }) });
      publishers.push(publisher);
      return publisher;
    }

    it.each(Object.entries(other) as [KafkaSystem['client'], KafkaSystem['client']][])(
      'goes on by %s where it was by %s, and the node that still uses that is fenced',
      async (before, after) => {
        const old = create(before);
        expect(await old.open(asEpoch(1), new Map([[task, asPosition(0)]]))).toMatchObject({ outcome: 'opened' });
        const follower = create(after);
        const seen: number[] = [];
        const following = follower.follow((positions) => {
          for (const position of positions.values()) seen.push(position);
        });
        for (let n = 0; n < 70; n++) expect(await old.publish(step(n, n + 1))).toEqual({ outcome: 'published' });
        await until(() => seen.at(-1) === 70);
        await following.stop();
        // One that has read it all along, and one that comes anew.
        for (const [epoch, young] of [
          [2, follower],
          [3, create(after)],
        ] as const) {
          expect(await young.open(asEpoch(epoch), undefined)).toMatchObject({ outcome: 'opened' });
          const { positions, epoch: stored } = await young.readBack();
          const position = positions.get(task) ?? -1;
          expect({ position, stored }).toEqual({ position: 68 + epoch, stored: epoch - 1 });
          expect(await young.publish(step(position, position + 1))).toEqual({ outcome: 'published' });
        }
        expect(await old.publish(step(70, 71))).toEqual({ outcome: 'fenced', byEpoch: undefined });
        const read = await readAll(kafka, topic, 0);
        expect(read.map(({ value }) => value)).toEqual(Array.from({ length: 72 }, (_, n) => `out ${String(n)}`));
        expect(read[70]?.headers).toEqual(['trace', 't70']);
      },
      30_000,
    );

    it('is shown the same by tools, and starts again where they have been told to forget', async () => {
      const publisher = create('native');
      await publisher.open(asEpoch(4), new Map([[task, asPosition(9)]]));
      for (const client of ['native', 'kafkajs'] as const) {
        const target = { system: kafka.system({ client }), clock, pair };
        expect(await highestPublished(target, app)).toBe(4);
        expect(await readPublished(target, app)).toEqual([{ lane: 0, epoch: 4, positions: new Map([[task, 9]]) }]);
      }
      await forgetPublished({ system: kafka.system({ client: 'kafkajs' }), clock, pair }, app);
      expect(await publisher.open(asEpoch(5), undefined)).toMatchObject({ outcome: 'opened' });
      expect(await publisher.readBack()).toEqual({ positions: new Map(), epoch: 4 });
    });

    it('speaks as kafkajs does once it says so', async () => {
      const link = await proxied(kafka.brokers);
      const versions = new Set<string>();
      for (const proxy of link.proxies) {
        proxy.onRequest = (key, version) => {
          versions.add(`${String(key)} ${String(version)}`);
        };
      }
      const publisher = createPublisher(kafka, app, [topic], {
        system: kafka.system({ client: 'kafkajs' }),
        settings: { addressOf: link.addressOf },
      });
      await publisher.open(asEpoch(1), new Map([[task, asPosition(0)]]));
      expect(await publisher.publish(step(0, 1))).toEqual({ outcome: 'published' });
      expect(await publisher.open(asEpoch(2), undefined)).toMatchObject({ outcome: 'opened' });
      expect((await publisher.readBack()).positions.get(task)).toBe(1);
      await publisher.close();
      await link.close();
      // Produce, Fetch, InitProducerId, AddPartitionsToTxn, EndTxn.
      for (const spoken of ['0 7', '1 11', '22 3', '24 1', '26 1']) expect(versions).toContain(spoken);
    });
  },
  ['kafka'],
);
