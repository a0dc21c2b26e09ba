// What a receiver sees: order, headers, attempts and limits.
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import type { Publisher } from '@tandem/ports';
import { outputBatch } from '@tandem/ports/contract';
import { until } from './support/clock.ts';
import {
  createPublisher,
  genesis,
  open,
  publishAll,
  publishSome,
  publishUntil,
  step,
  steps,
  type Made,
} from './support/publishing.ts';
import { answer, hangUp, silence, TestReceiver } from './support/server.ts';

jest.setTimeout(30_000);

let database: TestDatabase;
let receiver: TestReceiver;
let apps = 0;
const made: Publisher[] = [];

beforeAll(async () => {
  database = await (await sharedTestServer()).createDatabase();
}, 60_000);

afterAll(async () => {
  await database.drop();
});

beforeEach(async () => {
  apps++;
  receiver = await TestReceiver.open();
});

afterEach(async () => {
  await Promise.all(made.splice(0).map((publisher) => publisher.close()));
  await receiver.close();
});

async function create(sinks?: Made['sinks'], more: Partial<Made> = {}): Promise<Publisher> {
  const publisher = await createPublisher({
    app: `app${String(apps)}`,
    databaseUrl: database.url,
    sinks: sinks ?? { alerts: { url: `${receiver.url}/hook?a=b` } },
    ...more,
  });
  made.push(publisher);
  await publisher.layout();
  return publisher;
}

async function opened(sinks?: Made['sinks'], more?: Partial<Made>): Promise<Publisher> {
  const publisher = await create(sinks, more);
  await open(publisher, 1, genesis);
  return publisher;
}

const numbers = (from: number, to: number, task = 'in/0'): string[] =>
  Array.from({ length: to - from }, (_, index) => `${task} ${String(from + index)}`);

async function stored(publisher: Publisher): Promise<Record<string, number>> {
  return Object.fromEntries((await publisher.readBack()).positions);
}

describe('a request', () => {
  it('is made for each output, with what it is, where it comes from and its own headers', async () => {
    const publisher = await opened({
      alerts: {
        url: `${receiver.url}/hook?a=b`,
        method: 'PUT',
        contentType: 'text/plain; charset=utf-8',
        headers: { Authorization: 'Bearer secret', 'X-Team': 'ops' },
      },
    });
    const batch = outputBatch(
      [['in/0', 0, 3]],
      [
        { sink: 0, partition: 0, position: 0, key: 'ä', value: '{"ü":1}', timestamp_ms: 1234, headers: ['trace', '7'] },
        { sink: 0, partition: 0, position: 0, key: null, value: '' },
        { sink: 0, partition: 0, position: 2, key: 'gone', value: null },
      ],
    );
    await publishAll(publisher, batch);
    const app = `app${String(apps)}`;
    const [first, second, third] = receiver.arrived;
    expect(first).toMatchObject({ method: 'PUT', url: '/hook?a=b', body: '{"ü":1}', key: `p:${app}:alerts:in/0:0:0` });
    expect(first?.headers).toMatchObject({
      'content-type': ['text/plain; charset=utf-8'],
      'content-length': ['8'],
      authorization: ['Bearer secret'],
      'x-team': ['ops'],
      'tandem-pair': ['p'],
      'tandem-app': [app],
      'tandem-epoch': ['1'],
      'tandem-key': ['%C3%A4'],
      'tandem-timestamp': ['1234'],
      'tandem-record-trace': ['7'],
    });
    expect(second).toMatchObject({ body: '', key: `p:${app}:alerts:in/0:0:1` });
    expect(second?.headers).toMatchObject({ 'content-length': ['0'] });
    expect(second?.headers).not.toHaveProperty('tandem-key');
    expect(second?.headers).not.toHaveProperty('tandem-tombstone');
    expect(third).toMatchObject({ body: '', key: `p:${app}:alerts:in/0:2:0` });
    expect(third?.headers).toMatchObject({ 'tandem-tombstone': ['true'], 'tandem-key': ['gone'] });
  });

  it('has each header once, unless the record has it more often', async () => {
    const { port } = new URL(receiver.url);
    const publisher = await opened({
      alerts: { url: `http://me:word@127.0.0.1:${port}/`, headers: { authorization: 'Bearer mine' } },
    });
    const headers = ['trace', 'a', 'Trace', 'b'];
    await publishAll(
      publisher,
      outputBatch([['in/0', 0, 1]], [{ sink: 0, partition: 0, key: null, value: 'x', headers }]),
    );
    expect(receiver.arrived[0]?.headers).toMatchObject({
      authorization: ['Bearer mine'],
      'tandem-record-trace': ['a', 'b'],
    });
  });

  it('goes over a connection that is kept', async () => {
    const publisher = await opened();
    await publishAll(publisher, step(0, 40));
    expect(receiver.connections).toBe(1);
  });

  it('has the same key on both nodes', async () => {
    const first = await opened();
    receiver.usual = answer(503);
    await publishUntil(first, step(0, 1), 'retryable');
    receiver.usual = answer(200);
    const second = await create();
    await open(second, 2);
    await publishAll(second, step(0, 5));
    const keys = receiver.arrived.map(({ key }) => key);
    expect(keys[0]).toBe(keys.at(-5));
    const epochs = new Set(receiver.arrived.map(({ headers }) => headers['tandem-epoch']?.[0]));
    expect([...epochs]).toEqual(['1', '2']);
  });
});

describe('order', () => {
  it('is kept within each task, with one request at a time; tasks go side by side', async () => {
    const publisher = await opened();
    const busy = new Set<string>();
    const overlaps: string[] = [];
    receiver.usual = (response, { body }) => {
      const task = body.split(' ')[0] ?? '';
      if (busy.has(task)) overlaps.push(body);
      busy.add(task);
      setTimeout(
        () => {
          busy.delete(task);
          response.end();
        },
        1 + (receiver.arrived.length % 4),
      );
    };
    const batch = steps([
      ['in/0', 0, 60],
      ['in/1', 0, 60],
    ]);
    await publishAll(publisher, batch);
    for (const task of ['in/0', 'in/1']) {
      expect(receiver.bodies().filter((body) => body.startsWith(task))).toEqual(numbers(0, 60, task));
    }
    expect(overlaps).toEqual([]);
    expect(receiver.mostAtATime).toBe(2);
    expect(await stored(publisher)).toEqual({ 'in/0': 60, 'in/1': 60 });
  });

  it('is kept between the sinks of one task, too', async () => {
    const publisher = await opened({ a: { url: `${receiver.url}/a` }, b: { url: `${receiver.url}/b` } });
    const outputs = Array.from({ length: 20 }, (_, index) => {
      return { sink: index % 2, partition: 0, position: Math.floor(index / 4), key: null, value: String(index) };
    });
    await publishAll(publisher, outputBatch([['in/0', 0, 5]], outputs));
    expect(receiver.bodies()).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
    expect(receiver.arrived[2]).toMatchObject({ url: '/a', key: expect.stringMatching(/:a:in\/0:0:1$/) as string });
  });

  it('is kept while no more than so many requests are under way', async () => {
    const tasks = Array.from({ length: 6 }, (_, index) => `in/${String(index)}`);
    const publisher = await create({ alerts: { url: receiver.url, maxInFlight: 2 } }, { tasks });
    await open(publisher, 1, new Map(tasks.map((task) => [task, genesis.get('in/0') ?? fail()])));
    receiver.usual = (response) => setTimeout(() => response.end(), 3);
    await publishAll(publisher, steps(tasks.map((task) => [task, 0, 10])));
    expect(receiver.mostAtATime).toBe(2);
    for (const task of tasks) {
      expect(receiver.bodies().filter((body) => body.startsWith(`${task} `))).toEqual(numbers(0, 10, task));
    }
  });

  it('of one task is not held up by another one whose request takes long', async () => {
    const publisher = await opened();
    const held: (() => void)[] = [];
    receiver.usual = (response, { body }) => {
      if (body === 'in/0 1') held.push(() => response.end());
      else response.end();
    };
    const batch = steps([
      ['in/0', 0, 3],
      ['in/1', 0, 5],
    ]);
    await publishSome(publisher, batch, 6);
    expect(await stored(publisher)).toEqual({ 'in/0': 1, 'in/1': 5 });
    await publishAll(publisher, steps([['in/1', 5, 9]]));
    const rest = publishAll(publisher, step(1, 3));
    held[0]?.();
    await rest;
    // What was under way was not sent once more.
    expect(receiver.bodies().filter((body) => body.startsWith('in/0'))).toEqual(numbers(0, 3));
    expect(await stored(publisher)).toEqual({ 'in/0': 3, 'in/1': 9 });
  });
});

describe('a receiver in trouble', () => {
  it.each([408, 429, 500, 503])('that answers %d gets the same output again, then the next', async (status) => {
    const publisher = await opened();
    receiver.next.push(answer(200), answer(status), answer(status));
    await publishAll(publisher, step(0, 4));
    expect(receiver.bodies()).toEqual(['in/0 0', 'in/0 1', 'in/0 1', 'in/0 1', 'in/0 2', 'in/0 3']);
    expect(new Set(receiver.arrived.map(({ key }) => key)).size).toBe(4);
  });

  it('that breaks connections, or is not there for a while, loses nothing', async () => {
    const publisher = await opened();
    receiver.next.push(hangUp, answer(200), hangUp, hangUp);
    await publishAll(publisher, step(0, 3));
    expect(receiver.firsts().map(({ body }) => body)).toEqual(numbers(0, 3));
    const { url } = receiver;
    await receiver.close();
    const { outcome: absent } = await publishUntil(publisher, step(3, 4), 'retryable');
    const message = absent.outcome === 'retryable' ? absent.cause.message : '';
    expect(message).toContain(`sink 'alerts' (${url})`);
    expect(message).not.toContain('hook');
    expect(await stored(publisher)).toMatchObject({ 'in/0': 3 });
    receiver = await TestReceiver.open();
  });

  it('that does not answer in time gets the same output again', async () => {
    const publisher = await opened({ alerts: { url: receiver.url, timeout: { answer: '60ms' } } });
    receiver.next.push(silence, silence);
    const inTheWay = await publishAll(publisher, step(0, 2));
    expect(receiver.bodies()).toEqual(['in/0 0', 'in/0 0', 'in/0 0', 'in/0 1']);
    expect(receiver.aborted).toBe(2);
    for (const outcome of inTheWay) expect(outcome).toMatchObject({ outcome: 'retryable' });
  });

  it('that takes no connection is given up in time', async () => {
    // A queue that is full: nobody accepts.
    const full: Server = createServer();
    await new Promise<void>((resolve) => full.listen({ port: 0, host: '127.0.0.1' }, resolve));
    const port = (full.address() as AddressInfo).port;
    full.on('connection', (socket) => socket.pause());
    const publisher = await opened({
      alerts: { url: `https://127.0.0.1:${String(port)}/`, timeout: { connect: '50ms' } },
    });
    expect((await publishUntil(publisher, step(0, 1), 'retryable')).outcome).toMatchObject({
      cause: { message: expect.stringMatching(/no connection within 50 ms/) as string },
    });
    await publisher.close();
    full.close();
  });

  it('is left alone for as long as Retry-After says', async () => {
    const publisher = await opened();
    receiver.next.push(answer(429, { 'Retry-After': '1' }));
    await publishAll(publisher, step(0, 1));
    const [first, second] = receiver.arrived;
    // Whole seconds; a timer may be early by a fraction of a millisecond.
    expect((second?.at_ms ?? 0) - (first?.at_ms ?? 0)).toBeGreaterThan(998);
  });

  it('is tried less and less often, and told of once', async () => {
    const said: string[] = [];
    const log: Made['log'] = (level, message) => said.push(`${level} ${message}`);
    const publisher = await opened(
      { alerts: { url: `${receiver.url}/secret`, retry: { first: '4ms', most: '40ms' } } },
      { log },
    );
    receiver.next.push(...Array.from({ length: 6 }, () => answer(503)));
    await publishAll(publisher, step(0, 2));
    const pauses = receiver.arrived
      .slice(1, 7)
      .map(({ at_ms }, index) => at_ms - (receiver.arrived[index]?.at_ms ?? 0));
    // Three quarters of 4, 8, 16, 32, 40, 40.
    for (const [index, least_ms] of [3, 6, 12, 24, 30, 30].entries()) {
      expect(pauses[index]).toBeGreaterThan(least_ms - 1);
    }
    expect(said).toEqual([
      `warn sink 'alerts' (${receiver.url}) takes no outputs: answered 503; trying again`,
      `info sink 'alerts' (${receiver.url}) takes outputs again`,
    ]);
  });

  it('may answer at length: the answer is read to a limit, and thrown away', async () => {
    const publisher = await opened();
    receiver.next.push(answer(200, {}, 'x'.repeat(10_000)), answer(201, {}, 'x'.repeat(4 << 20)));
    await publishAll(publisher, step(0, 4));
    expect(receiver.bodies()).toEqual(numbers(0, 4));
    expect(receiver.connections).toBe(2);
  });

  it('that falls silent in the middle of a good answer has answered', async () => {
    const publisher = await opened({ alerts: { url: receiver.url, timeout: { answer: '60ms' } } });
    receiver.next.push((response) => {
      response.writeHead(200, { 'Content-Length': '10' }).write('half');
    });
    await publishAll(publisher, step(0, 2));
    expect(receiver.bodies()).toEqual(numbers(0, 2));
  });

  it('stores nothing beyond what it has taken, and outputs of one input are passed as a whole', async () => {
    const publisher = await opened();
    receiver.next.push(answer(200), answer(200), answer(200));
    receiver.usual = answer(500);
    const outputs = [0, 0, 1, 1, 2].map((position) => ({ sink: 0, partition: 0, position, key: 'k', value: 'x' }));
    expect((await publishUntil(publisher, outputBatch([['in/0', 0, 3]], outputs), 'retryable')).outputs).toBe(2);
    expect(await stored(publisher)).toMatchObject({ 'in/0': 1 });
    receiver.usual = answer(200);
    await publishAll(publisher, outputBatch([['in/0', 1, 3]], outputs.slice(2)));
    // The first output of the second input had been taken: it is not sent again.
    const ids = receiver.arrived.map(({ key }) => key.split(':').slice(4).join(':'));
    expect(ids.filter((id) => id === '1:0')).toHaveLength(1);
    expect([...new Set(ids)]).toEqual(['0:0', '0:1', '1:0', '1:1', '2:0']);
  });
});

describe('a refusal for good', () => {
  it('ends the app with the reason, after what came before it has been stored, and before what comes after', async () => {
    const publisher = await opened();
    receiver.next.push(answer(200), answer(200), answer(422, {}, 'Bearer secret'));
    const { outcome } = await publishUntil(publisher, step(0, 5), 'fatal');
    const message = outcome.outcome === 'fatal' ? outcome.cause.message : '';
    expect(message).toContain(`sink 'alerts' (${receiver.url}) answered 422 to the output of input 2 of in/0`);
    expect(message).toContain(':alerts:in/0:2:0');
    expect(message).not.toMatch(/secret|hook/);
    expect(receiver.bodies()).toEqual(numbers(0, 3));
    expect(await stored(publisher)).toMatchObject({ 'in/0': 2 });
  });

  it('is what a redirect is, and it is not followed', async () => {
    const publisher = await opened();
    receiver.next.push(answer(307, { Location: `${receiver.url}/elsewhere` }));
    expect((await publishUntil(publisher, step(0, 1), 'fatal')).outcome).toMatchObject({
      cause: { message: expect.stringMatching(/redirects are not followed/) as string },
    });
    expect(receiver.arrived).toHaveLength(1);
  });

  describe('with a log for dead letters', () => {
    const deadLetter = { log: 'refused', create: { partitions: 2 } };

    const withLetters = () =>
      opened({ alerts: { url: receiver.url, deadLetter: { ...deadLetter, log: `refused-${String(apps)}` } } });

    async function letters(): Promise<Record<string, unknown>[]> {
      const { Client } = await import('pg');
      const client = new Client({ connectionString: database.url });
      await client.connect();
      try {
        const found = await client.query<{ key: Buffer; value: Buffer; headers: string[] }>(
          `SELECT key, value, headers FROM tandem."log_refused-${String(apps)}" ORDER BY partition, "offset"`,
        );
        return found.rows.map(({ key, value, headers }) => ({ key: String(key), value: String(value), headers }));
      } finally {
        await client.end();
      }
    }

    it('goes there once, with the reason, and the outputs after it go on', async () => {
      const publisher = await withLetters();
      receiver.usual = (response, { body }) => response.writeHead(body === 'in/0 2' ? 410 : 200).end();
      await publishAll(publisher, step(0, 5));
      expect(receiver.bodies()).toEqual(numbers(0, 5));
      expect(await stored(publisher)).toMatchObject({ 'in/0': 5 });
      expect(await letters()).toEqual([
        {
          key: 'k',
          value: 'in/0 2',
          headers: [
            ...['tandem-sink', 'alerts', 'tandem-status', '410'],
            ...['tandem-idempotency-key', `p:app${String(apps)}:alerts:in/0:2:0`],
          ],
        },
      ]);
    });

    it('is there as soon as its position is passed, and not before', async () => {
      const publisher = await withLetters();
      const outputs = [0, 0].map((position) => ({ sink: 0, partition: 0, position, key: 'k', value: 'x' }));
      receiver.next.push(answer(400));
      receiver.usual = answer(500);
      const batch = outputBatch([['in/0', 0, 1]], outputs);
      await publishUntil(publisher, batch, 'retryable');
      expect(await letters()).toEqual([]);
      receiver.usual = answer(200);
      await publishAll(publisher, batch);
      expect(await letters()).toHaveLength(1);
      // It is not asked again whether it wants it.
      expect(receiver.arrived.filter(({ key }) => key.endsWith(':0:0'))).toHaveLength(1);
    });
  });
});

describe('closing', () => {
  it('ends what is under way, and keeps the positions of what was taken', async () => {
    const publisher = await opened();
    receiver.next.push(answer(200), answer(200));
    receiver.usual = silence;
    const publishing = publishUntil(publisher, step(0, 5), 'fenced');
    await until(() => receiver.arrived.length === 3);
    await publisher.close();
    await publishing;
    await until(() => receiver.aborted === 1);
    const next = await create();
    expect(Object.fromEntries(await open(next, 1))).toMatchObject({ 'in/0': 2 });
  });

  it('of an opening by the next one ends what is under way, too', async () => {
    const publisher = await opened();
    receiver.usual = silence;
    expect(await publisher.publish(step(0, 5))).toMatchObject({ outcome: 'published', part: { outputs: 0 } });
    await until(() => receiver.arrived.length === 1);
    await publisher.prepare();
    await until(() => receiver.aborted === 1);
    expect(await publisher.publish(step(0, 5))).toMatchObject({ outcome: 'fenced' });
  });
});

function fail(): never {
  throw new Error('no genesis');
}
