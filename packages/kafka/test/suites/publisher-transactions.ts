// What Kafka's transactions bring with them: fences, aborted and hanging transactions, limits of topics.
import { asEpoch, asPosition } from '@tandem/pair';
import type { Publisher } from '@tandem/ports';
import { outputBatch, type NewOutput } from '@tandem/ports/contract';
import { highestPublished, positionsTopic, readPublished, type PublisherOptions } from '@tandem/kafka';
import { randomBytes } from 'node:crypto';
import { Cluster } from '../../src/cluster.ts';
import { transactionalIdOf } from '../../src/positions-topic.ts';
import { Producer } from '../../src/publisher-producer.ts';
import { clock, until } from '@tandem/ports/contract';
import { proxied, TestKafka } from '../support/kafka.ts';
import { requests } from '../support/proxy.ts';
import { createPublisher, pair, positionsOf, readAll } from '../support/publishing.ts';

const genesis = new Map([
  ['in/0', asPosition(0)],
  ['in/1', asPosition(0)],
]);

/** One output per input of task in/0, to partition 0 of the only sink. */
function step(from: number, to: number, value = (n: number): string => `out ${String(n)}`) {
  const outputs = Array.from({ length: to - from }, (_, i): NewOutput => {
    const position = from + i;
    return { sink: 0, partition: 0, position, key: 'k', value: value(position), timestamp_ms: 1_700_000_000_000 };
  });
  return outputBatch([['in/0', from, to]], outputs);
}

const outs = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `out ${String(from + i)}`);

export function describeTransactions(open: () => Promise<TestKafka>): void {
  let kafka: TestKafka;
  let app: string;
  let topic: string;
  let publishers: Publisher[];

  beforeAll(async () => {
    kafka = await open();
  }, 120_000);

  beforeEach(async () => {
    app = kafka.newName('app');
    publishers = [];
    topic = await kafka.topic(kafka.newName('sink'), 2);
    await positionsOf(kafka, app);
  });

  afterEach(async () => {
    await Promise.all(publishers.map((publisher) => publisher.close()));
  });

  afterAll(async () => {
    await kafka.close();
  });

  function create(more: Partial<PublisherOptions> = {}): Publisher {
    const publisher = createPublisher(kafka, app, [topic], more);
    publishers.push(publisher);
    return publisher;
  }

  async function opened(epoch: number, more: Partial<PublisherOptions> = {}): Promise<Publisher> {
    const publisher = create(more);
    expect(await publisher.open(asEpoch(epoch), genesis)).toMatchObject({ outcome: 'opened' });
    return publisher;
  }

  const values = async (): Promise<(string | null)[]> => (await readAll(kafka, topic, 0)).map((record) => record.value);

  it('is refused when it wakes inside its transaction after another has opened, and nothing of it is seen', async () => {
    const link = await proxied(kafka.brokers);
    const zombie = await opened(1, { settings: { addressOf: link.addressOf } });
    for (const asleepAt of [requests.produce, requests.endTxn]) {
      let wake = (): void => undefined;
      let asleep = (): void => undefined;
      const isAsleep = new Promise<void>((resolve) => (asleep = resolve));
      const [proxy] = link.proxies;
      proxy?.holdRequest(asleepAt, new Promise<void>((resolve) => (wake = resolve)), asleep);
      const position = (await zombie.readBack()).positions.get('in/0') ?? -1;
      const publishing = zombie.publish(step(position, position + 3, () => 'of the zombie'));
      await isAsleep;
      const young = await opened(2);
      expect((await young.readBack()).positions.get('in/0')).toBe(position);
      expect(await young.publish(step(position, position + 2))).toEqual({ outcome: 'published' });
      wake();
      expect(await publishing).toEqual({ outcome: 'fenced', byEpoch: undefined });
      expect(await zombie.publish(step(position, position + 1))).toMatchObject({ outcome: 'fenced' });
      expect(await values()).toEqual(outs(0, position + 2));
      expect(await zombie.open(asEpoch(3), undefined)).toMatchObject({ outcome: 'opened' });
    }
    await link.close();
  });

  it('says so when another pair of the same name publishes in between, and not for anything that pairs do themselves', async () => {
    const warnings: string[] = [];
    const log: PublisherOptions['log'] = (level, message) => {
      if (level === 'warn') warnings.push(message);
    };
    const old = await opened(1);
    expect(await old.publish(step(0, 1))).toEqual({ outcome: 'published' });
    const link = await proxied(kafka.brokers);
    const ours = create({ log, settings: { endLimit_ms: 100, addressOf: link.addressOf } });
    expect(await ours.open(asEpoch(2), undefined)).toMatchObject({ outcome: 'opened' });
    await ours.readBack();
    expect(await ours.publish(step(1, 2))).toEqual({ outcome: 'published' });
    // An answer that is lost for good, and a newcomer that opens and leaves.
    for (const proxy of link.proxies) proxy.refuse(requests.endTxn);
    expect(await ours.publish(step(2, 3))).toMatchObject({ outcome: 'fenced' });
    for (const proxy of link.proxies) proxy.refuse(undefined);
    expect(await ours.open(asEpoch(2), undefined)).toMatchObject({ outcome: 'opened' });
    await ours.readBack();
    expect(await ours.publish(step(2, 3))).toEqual({ outcome: 'published' });
    const rival = create();
    expect(await rival.open(asEpoch(1), undefined)).toMatchObject({ outcome: 'opened' });
    expect(await ours.publish(step(3, 4))).toMatchObject({ outcome: 'fenced' });
    expect(await ours.open(asEpoch(2), undefined)).toMatchObject({ outcome: 'opened' });
    await ours.readBack();
    const rivalsLine = expect.stringContaining(`somebody else publishes as pair '${pair}', app '${app}'`) as string;
    expect(warnings).not.toContainEqual(rivalsLine);
    expect(ours.warning).toBeUndefined();
    // One that stays, as nobody tells it that its epoch is not the pair's.
    for (let position = 3; position < 6; position++) {
      expect(await rival.open(asEpoch(1), undefined)).toMatchObject({ outcome: 'opened' });
      expect(await rival.publish(step(position, position + 1))).toEqual({ outcome: 'published' });
      expect(await ours.publish(step(position, position + 1))).toMatchObject({ outcome: 'fenced' });
      expect(await ours.open(asEpoch(2), undefined)).toMatchObject({ outcome: 'opened' });
      await ours.readBack();
    }
    expect(warnings.filter((warning) => warning.startsWith('somebody else'))).toEqual([rivalsLine]);
    expect(ours.warning).toEqual(rivalsLine);
    await ours.close();
    await link.close();
  });

  it('ends the transaction that a dead one left open, at once: nobody waits for its time-out', async () => {
    const link = await proxied(kafka.brokers);
    const dead = await opened(1, { settings: { addressOf: link.addressOf } });
    expect(await dead.publish(step(0, 5))).toEqual({ outcome: 'published' });
    for (const proxy of link.proxies) proxy.refuse(requests.endTxn);
    const publishing = dead.publish(step(5, 8, () => 'never committed'));
    await until(() => link.proxies.some((proxy) => proxy.refusals > 0));
    for (const proxy of link.proxies) proxy.die();
    // Whoever only looks does not wait for it either.
    const target = { system: kafka.system(), clock, pair };
    expect(await highestPublished(target, app)).toBe(1);
    expect((await readPublished(target, app)).map(({ positions }) => positions.get('in/0'))).toEqual([5]);
    const next = await opened(2);
    expect((await next.readBack()).positions.get('in/0')).toBe(5);
    expect(await next.publish(step(5, 6))).toEqual({ outcome: 'published' });
    expect(await values()).toEqual(outs(0, 6));
    await dead.close();
    expect((await publishing).outcome).toBe('fenced');
    await link.close();
  });

  it('splits what goes to one partition into batches that its topic takes, in one transaction', async () => {
    topic = await kafka.topic(kafka.newName('small'), 2, { 'max.message.bytes': '20000' });
    const publisher = await opened(1);
    const long = (n: number): string => `out ${String(n)} ${'x'.repeat(300)}`;
    expect(await publisher.publish(step(0, 500, long))).toEqual({ outcome: 'published' });
    expect(await publisher.publish(step(500, 501, long))).toEqual({ outcome: 'published' });
    expect(await values()).toEqual(Array.from({ length: 501 }, (_, n) => long(n)));
  });

  it('says which topic does not take a record, and how large it may be, and goes on with others', async () => {
    topic = await kafka.topic(kafka.newName('small'), 2, { 'max.message.bytes': '20000' });
    const publisher = await opened(1);
    const tooLong = step(0, 3, (n) => (n === 1 ? randomBytes(30_000).toString('hex') : `out ${String(n)}`));
    const outcome = await publisher.publish(tooLong);
    expect(outcome).toMatchObject({ outcome: 'fatal', cause: { code: 'sink-refused', blame: 'user' } });
    const message = outcome.outcome === 'fatal' ? outcome.cause.message : '';
    expect(message).toContain(`sink '${topic}', topic '${topic}'`);
    expect(message).toMatch(/60\d\d\d bytes with 1 record: its max\.message\.bytes is 20000/);
    expect(await publisher.publish(step(0, 2))).toEqual({ outcome: 'published' });
    expect(await values()).toEqual(outs(0, 2));
  });

  it('compresses where it is told to', async () => {
    const publisher = await opened(1, {
      sinks: [{ sink: 'out', binding: { topic, compression: 'gzip', create: undefined } }],
    });
    expect(await publisher.publish(step(0, 200))).toEqual({ outcome: 'published' });
    expect(await values()).toEqual(outs(0, 200));
  });

  it('reads back behind a long history, over transactions that were undone', async () => {
    const publisher = await opened(1);
    for (let n = 0; n < 70; n++) {
      expect(await publisher.publish(step(n, n + 1))).toEqual({ outcome: 'published' });
    }
    // Transactions that began after the last record and were undone by the next opening.
    const cluster = new Cluster({ system: kafka.system(), clock });
    const transactionalId = transactionalIdOf({ pair, app, lane: 0 });
    const writer = cluster.codec.writer();
    const bytes = Buffer.from('positions{"epoch":9,"positions":{"in/0":"999"}}');
    const range = { keyStart: 0, keyEnd: 9, valueStart: 9, valueEnd: bytes.length };
    writer.addRecord({ bytes, ...range, timestamp_ms: 0 }, undefined);
    const place = { topic: positionsTopic(pair, app), partition: 0 };
    for (let round = 0; round < 40; round++) {
      const producer = new Producer({ cluster, transactionalId, transactionTimeout_ms: 10_000, purpose: 'requests' });
      await producer.open(5000);
      await producer.add([{ name: place.topic, partitions: [0] }], 5000);
      await producer.produce([{ ...place, writer, compression: 'none' }], 5000);
    }
    const next = await opened(2);
    expect(await next.readBack()).toEqual({ positions: new Map([['in/0', 70], ['in/1', 0]]), epoch: 1 }); // prettier-ignore
    expect(await next.publish(step(70, 71))).toEqual({ outcome: 'published' });
    expect(await values()).toEqual(outs(0, 71));
    await cluster.close();
  }, 30_000);

  it('does not let a stranger that writes to the positions topic pass for published positions', async () => {
    const publisher = await opened(1);
    await kafka.append(positionsTopic(pair, app), 0, [{ key: 'something else', value: 'not json' }]);
    const next = await opened(2);
    expect((await next.readBack()).positions.get('in/0')).toBe(0);
    await kafka.append(positionsTopic(pair, app), 0, [{ key: 'positions', value: 'not json' }]);
    const last = create();
    expect(await last.open(asEpoch(3), undefined)).toMatchObject({ outcome: 'opened' });
    await expect(last.readBack()).rejects.toMatchObject({ code: 'positions-unreadable' });
    await publisher.close();
  });
}
