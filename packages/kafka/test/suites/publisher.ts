// Topics as sinks, on whichever Kafka and by whichever client.
import type { Publisher } from '@tandem/ports';
import { describePublisher } from '@tandem/ports/contract';
import { until } from '@tandem/ports/contract';
import { proxied, TestKafka } from '../support/kafka.ts';
import { requests, type Proxy } from '../support/proxy.ts';
import { createPublisher, positionsOf, readAll } from '../support/publishing.ts';

export function describePublishers(open: () => Promise<TestKafka>): void {
  let kafka: TestKafka;

  beforeAll(async () => {
    kafka = await open();
  }, 120_000);

  afterAll(async () => {
    await kafka.close();
  });

  describePublisher('topics', async () => {
    const app = kafka.newName('app');
    const topics = await Promise.all(['a', 'b'].map((what) => kafka.topic(kafka.newName(what), 3)));
    await positionsOf(kafka, app);
    const links = new Map<Publisher, Awaited<ReturnType<typeof proxied>>>();
    const proxyOf = (publisher: Publisher): Proxy => {
      const [proxy] = links.get(publisher)?.proxies ?? [];
      if (proxy === undefined) throw new Error('not one of ours');
      return proxy;
    };
    return {
      fence: 'opening',
      create: async () => {
        const link = await proxied(kafka.brokers);
        const { addressOf } = link;
        const publisher = createPublisher(kafka, app, topics, {
          settings: { publishLimit_ms: 400, retry_ms: 10, addressOf },
        });
        links.set(publisher, link);
        return publisher;
      },
      written: (sink, partition) => readAll(kafka, topics[sink] ?? '', partition),
      loseNextAnswer: (publisher) => {
        proxyOf(publisher).loseAnswerOf(requests.endTxn);
      },
      loseNextRequest: (publisher) => {
        proxyOf(publisher).loseKind(requests.endTxn);
      },
      breakConnection: (publisher) => {
        proxyOf(publisher).breakLinks();
        return Promise.resolve();
      },
      block: () => {
        // As if those that lead the sinks could not be reached, and the coordinator could.
        const refuse = (request: number | undefined): Promise<void> => {
          for (const { proxies } of links.values()) for (const proxy of proxies) proxy.refuse(request);
          return Promise.resolve();
        };
        return refuse(requests.produce).then(() => ({ release: () => refuse(undefined) }));
      },
      until,
      settle: (work) => work,
      dispose: async () => {
        await Promise.all([...links.values()].map((link) => link.close()));
      },
    };
  });
}
