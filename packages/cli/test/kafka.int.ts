// An app between two topics, run by the command as a user would, with PostgreSQL as coordinator and store.
import { describeWithStack, sharedTestKafka } from '@tandem/stack';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { Kafka, logLevel, type Admin, type Producer } from 'kafkajs';
import { eventually, type Running } from './process.ts';
import { freePort, Site, token } from './site.ts';

const counterModule = path.resolve(__dirname, '../../../apps/counter/app.ts');
const keys = 7;

describeWithStack(
  'an app on Kafka',
  () => {
    let site: Site;
    let kafka: Kafka;
    let admin: Admin;
    let producer: Producer;
    let input: string;
    let output: string;
    let pair: string;
    const ports = new Map<string, number>();
    let fed = 0;

    const configuration = (bootstrap: string): string => `pair: ${pair}
node: { id: \${NODE}, listen: "127.0.0.1:\${PORT}", token: ${token} }
postgres: { url: \${DATABASE} }
kafka: { brokers: ["${bootstrap}"] }
coordinator: { postgres: { sessionTimeout: 1s } }
store: { postgres: {} }
persistence: { interval: 1s }
apps:
  - module: ${counterModule}
    lanes: 2
    sources: { numbers: { kafka: { topic: ${input}, create: { partitions: 3 } } } }
    sinks: { counts: { kafka: { topic: ${output}, create: { partitions: 2 } } } }
`;

    beforeAll(async () => {
      const { bootstrap } = await sharedTestKafka();
      const run = randomBytes(4).toString('hex');
      [input, output, pair] = [`numbers-${run}`, `counts-${run}`, `pair-${run}`];
      kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { retries: 20 } });
      admin = kafka.admin();
      producer = kafka.producer({ allowAutoTopicCreation: false });
      await Promise.all([admin.connect(), producer.connect()]);
      site = await Site.open();
      await site.write('kafka.yaml', configuration(bootstrap));
      for (const id of ['a', 'b']) ports.set(id, await freePort());
    }, 120_000);

    afterAll(async () => {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
      await site.close();
    }, 60_000);

    const start = (id: string): Running => site.run(id, ports.get(id) ?? 0, 'kafka.yaml');

    async function get<T>(id: string, route: string): Promise<T> {
      const url = `http://127.0.0.1:${String(ports.get(id))}${route}`;
      const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
      return (await answer.json()) as T;
    }

    const is = (id: string, role: string): Promise<true> =>
      eventually(
        `${id} is ${role} and its app in sync`,
        async () => {
          const node = await get<{ readonly role: string }>(id, '/v1/node');
          const [app] = await get<readonly { readonly condition: string; readonly output: string }[]>(id, '/v1/apps');
          const output = role === 'active' ? 'live' : 'closed';
          return node.role === role && app?.condition === 'in-sync' && app.output === output ? true : undefined;
        },
        60_000,
      );

    async function feed(count: number): Promise<void> {
      const messages = Array.from({ length: count }, (_, i) => {
        const n = fed + i;
        return { key: `k${String(n % keys)}`, value: JSON.stringify({ n }), partition: (n % keys) % 3 };
      });
      fed += count;
      await producer.send({ topic: input, messages });
    }

    /** What a reader of committed records sees: every number once, and what it adds up to for its key. */
    async function expectAllOnce(): Promise<void> {
      const consumer = kafka.consumer({ groupId: `look-${randomBytes(4).toString('hex')}` });
      const seen: { readonly n: number; readonly count: number; readonly sum: number }[] = [];
      await consumer.connect();
      await consumer.subscribe({ topic: output, fromBeginning: true });
      await consumer.run({
        eachMessage: ({ message }) => {
          seen.push(JSON.parse(message.value?.toString() ?? '') as (typeof seen)[number]);
          return Promise.resolve();
        },
      });
      try {
        await eventually(`all ${String(fed)} outputs`, () => Promise.resolve(seen.length >= fed ? true : undefined));
      } finally {
        await consumer.disconnect();
      }
      const inOrder = seen.toSorted((one, other) => one.n - other.n);
      expect(inOrder.map(({ n }) => n)).toEqual(Array.from({ length: fed }, (_, n) => n));
      const running = new Map<number, { count: number; sum: number }>();
      for (const { n, count, sum } of inOrder) {
        const before = running.get(n % keys) ?? { count: 0, sum: 0 };
        const now = { count: before.count + 1, sum: before.sum + n };
        running.set(n % keys, now);
        expect({ count, sum }).toEqual(now);
      }
    }

    it('makes its topics, publishes every input once, and goes on when the active is killed', async () => {
      const first = start('a');
      await is('a', 'active');
      await feed(2000);
      start('b');
      await is('b', 'passive');
      await feed(3000);
      first.child.kill('SIGKILL');
      await feed(1000);
      await is('b', 'active');
      await feed(500);
      await expectAllOnce();
      start('a');
      await is('a', 'passive');
      await feed(500);
      await expectAllOnce();
    }, 120_000);

    it('shows people how far it is in its topics', async () => {
      await eventually('all of it committed for the group', async () => {
        const [topic] = await admin.fetchOffsets({ groupId: `tandem.${pair}.counter`, topics: [input] });
        const ends = await admin.fetchTopicOffsets(input);
        const isThere = ends.every(({ partition, high }) =>
          topic?.partitions.some((one) => one.partition === partition && one.offset === high),
        );
        return isThere ? true : undefined;
      });
    }, 60_000);

    it('says what it has published, and forgets it when it is told to', async () => {
      await site.endNodes();
      await eventually('the nodes are gone', async () => {
        const { code, out } = await site.tandem(['reset', 'counter', '--config', 'kafka.yaml', '--republish', '--yes']);
        if (code !== 0) return undefined;
        expect(out).toContain('what kafka has published in lane 0');
        return true;
      });
      start('a');
      await is('a', 'active');
      await eventually('everything again', async () => {
        const ends = await admin.fetchTopicOffsets(output);
        return ends.reduce((sum, { high }) => sum + Number(high), 0) > 2 * fed ? true : undefined;
      });
    }, 60_000);
  },
  ['kafka'],
);
