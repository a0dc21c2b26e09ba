// What a receiver sees: order, headers, attempts and limits.
import { createServer, type AddressInfo, type Server } from 'node:net';
import { outputBatch } from '@tandem/ports/contract';
import { genesis, open, publishAll, publishSome, publishUntil, step, steps, type Made } from './support/publishing.ts';
import { answer, hangUp, silence } from './support/server.ts';
import { numbers, stageOfThisFile, stored } from './support/stage.ts';

jest.setTimeout(30_000);

const stage = stageOfThisFile();

describe('a request', () => {
  it('is made for each output, with what it is, where it comes from and its own headers', async () => {
    const publisher = await stage.opened({
      alerts: {
        url: `${stage.receiver.url}/hook?a=b`,
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
    const app = stage.app;
    const [first, second, third] = stage.receiver.arrived;
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
    const { port } = new URL(stage.receiver.url);
    const publisher = await stage.opened({
      alerts: { url: `http://me:word@127.0.0.1:${port}/`, headers: { authorization: 'Bearer mine' } },
    });
    const headers = ['trace', 'a', 'Trace', 'b'];
    await publishAll(
      publisher,
      outputBatch([['in/0', 0, 1]], [{ sink: 0, partition: 0, key: null, value: 'x', headers }]),
    );
    expect(stage.receiver.arrived[0]?.headers).toMatchObject({
      authorization: ['Bearer mine'],
      'tandem-record-trace': ['a', 'b'],
    });
  });

  it('goes over a connection that is kept', async () => {
    const publisher = await stage.opened();
    await publishAll(publisher, step(0, 40));
    expect(stage.receiver.connections).toBe(1);
  });

  it('has the same key on both nodes', async () => {
    const first = await stage.opened();
    stage.receiver.usual = answer(503);
    await publishUntil(first, step(0, 1), 'retryable');
    stage.receiver.usual = answer(200);
    const second = await stage.create();
    await open(second, 2);
    await publishAll(second, step(0, 5));
    const keys = stage.receiver.arrived.map(({ key }) => key);
    expect(keys[0]).toBe(keys.at(-5));
    const epochs = new Set(stage.receiver.arrived.map(({ headers }) => headers['tandem-epoch']?.[0]));
    expect([...epochs]).toEqual(['1', '2']);
  });
});

describe('order', () => {
  it('is kept within each task, with one request at a time; tasks go side by side', async () => {
    const publisher = await stage.opened();
    const busy = new Set<string>();
    const overlaps: string[] = [];
    stage.receiver.usual = (response, { body }) => {
      const task = body.split(' ')[0] ?? '';
      if (busy.has(task)) overlaps.push(body);
      busy.add(task);
      setTimeout(
        () => {
          busy.delete(task);
          response.end();
        },
        1 + (stage.receiver.arrived.length % 4),
      );
    };
    const batch = steps([
      ['in/0', 0, 60],
      ['in/1', 0, 60],
    ]);
    await publishAll(publisher, batch);
    for (const task of ['in/0', 'in/1']) {
      expect(stage.receiver.bodies().filter((body) => body.startsWith(task))).toEqual(numbers(0, 60, task));
    }
    expect(overlaps).toEqual([]);
    expect(stage.receiver.mostAtATime).toBe(2);
    expect(await stored(publisher)).toEqual({ 'in/0': 60, 'in/1': 60 });
  });

  it('is kept between the sinks of one task, too', async () => {
    const publisher = await stage.opened({
      a: { url: `${stage.receiver.url}/a` },
      b: { url: `${stage.receiver.url}/b` },
    });
    const outputs = Array.from({ length: 20 }, (_, index) => {
      return { sink: index % 2, partition: 0, position: Math.floor(index / 4), key: null, value: String(index) };
    });
    await publishAll(publisher, outputBatch([['in/0', 0, 5]], outputs));
    expect(stage.receiver.bodies()).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
    expect(stage.receiver.arrived[2]).toMatchObject({
      url: '/a',
      key: expect.stringMatching(/:a:in\/0:0:1$/) as string,
    });
  });

  it('is kept while no more than so many requests are under way', async () => {
    const tasks = Array.from({ length: 6 }, (_, index) => `in/${String(index)}`);
    const publisher = await stage.create({ alerts: { url: stage.receiver.url, maxInFlight: 2 } }, { tasks });
    await open(publisher, 1, new Map(tasks.map((task) => [task, genesis.get('in/0') ?? fail()])));
    stage.receiver.usual = (response) => setTimeout(() => response.end(), 3);
    await publishAll(publisher, steps(tasks.map((task) => [task, 0, 10])));
    expect(stage.receiver.mostAtATime).toBe(2);
    for (const task of tasks) {
      expect(stage.receiver.bodies().filter((body) => body.startsWith(`${task} `))).toEqual(numbers(0, 10, task));
    }
  });

  it('of one task is not held up by another one whose request takes long', async () => {
    const publisher = await stage.opened();
    const held: (() => void)[] = [];
    stage.receiver.usual = (response, { body }) => {
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
    expect(stage.receiver.bodies().filter((body) => body.startsWith('in/0'))).toEqual(numbers(0, 3));
    expect(await stored(publisher)).toEqual({ 'in/0': 3, 'in/1': 9 });
  });
});

describe('a receiver in trouble', () => {
  it.each([408, 429, 500, 503])('that answers %d gets the same output again, then the next', async (status) => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(200), answer(status), answer(status));
    await publishAll(publisher, step(0, 4));
    expect(stage.receiver.bodies()).toEqual(['in/0 0', 'in/0 1', 'in/0 1', 'in/0 1', 'in/0 2', 'in/0 3']);
    expect(new Set(stage.receiver.arrived.map(({ key }) => key)).size).toBe(4);
  });

  it('that breaks connections, or is not there for a while, loses nothing', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(hangUp, answer(200), hangUp, hangUp);
    await publishAll(publisher, step(0, 3));
    expect(stage.receiver.firsts().map(({ body }) => body)).toEqual(numbers(0, 3));
    const { url } = stage.receiver;
    await stage.receiver.close();
    const { outcome: absent } = await publishUntil(publisher, step(3, 4), 'retryable');
    const message = absent.outcome === 'retryable' ? absent.cause.message : '';
    expect(message).toContain(`sink 'alerts' (${url})`);
    expect(message).not.toContain('hook');
    expect(await stored(publisher)).toMatchObject({ 'in/0': 3 });
    await stage.openReceiver();
  });

  it('that does not answer in time gets the same output again', async () => {
    const publisher = await stage.opened({ alerts: { url: stage.receiver.url, timeout: { answer: '60ms' } } });
    stage.receiver.next.push(silence, silence);
    const inTheWay = await publishAll(publisher, step(0, 2));
    expect(stage.receiver.bodies()).toEqual(['in/0 0', 'in/0 0', 'in/0 0', 'in/0 1']);
    expect(stage.receiver.aborted).toBe(2);
    for (const outcome of inTheWay) expect(outcome).toMatchObject({ outcome: 'retryable' });
  });

  it('that takes no connection is given up in time', async () => {
    // A queue that is full: nobody accepts.
    const full: Server = createServer();
    await new Promise<void>((resolve) => full.listen({ port: 0, host: '127.0.0.1' }, resolve));
    const port = (full.address() as AddressInfo).port;
    full.on('connection', (socket) => socket.pause());
    const publisher = await stage.opened({
      alerts: { url: `https://127.0.0.1:${String(port)}/`, timeout: { connect: '50ms' } },
    });
    expect((await publishUntil(publisher, step(0, 1), 'retryable')).outcome).toMatchObject({
      cause: { message: expect.stringMatching(/no connection within 50 ms/) as string },
    });
    await publisher.close();
    full.close();
  });

  it('is left alone for as long as Retry-After says', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(429, { 'Retry-After': '1' }));
    await publishAll(publisher, step(0, 1));
    const [first, second] = stage.receiver.arrived;
    // Whole seconds; a timer may be early by a fraction of a millisecond.
    expect((second?.at_ms ?? 0) - (first?.at_ms ?? 0)).toBeGreaterThan(998);
  });

  it('is tried less and less often, and told of once', async () => {
    const said: string[] = [];
    const log: Made['log'] = (level, message) => said.push(`${level} ${message}`);
    const publisher = await stage.opened(
      { alerts: { url: `${stage.receiver.url}/secret`, retry: { first: '4ms', most: '40ms' } } },
      { log },
    );
    stage.receiver.next.push(...Array.from({ length: 6 }, () => answer(503)));
    await publishAll(publisher, step(0, 2));
    const pauses = stage.receiver.arrived
      .slice(1, 7)
      .map(({ at_ms }, index) => at_ms - (stage.receiver.arrived[index]?.at_ms ?? 0));
    // Three quarters of 4, 8, 16, 32, 40, 40.
    for (const [index, least_ms] of [3, 6, 12, 24, 30, 30].entries()) {
      expect(pauses[index]).toBeGreaterThan(least_ms - 1);
    }
    expect(said).toEqual([
      `warn sink 'alerts' (${stage.receiver.url}) takes no outputs: answered 503; trying again`,
      `info sink 'alerts' (${stage.receiver.url}) takes outputs again`,
    ]);
  });

  it('may answer at length: the answer is read to a limit, and thrown away', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(200, {}, 'x'.repeat(10_000)), answer(201, {}, 'x'.repeat(4 << 20)));
    await publishAll(publisher, step(0, 4));
    expect(stage.receiver.bodies()).toEqual(numbers(0, 4));
    expect(stage.receiver.connections).toBe(2);
  });

  it('that falls silent in the middle of a good answer has answered', async () => {
    const publisher = await stage.opened({ alerts: { url: stage.receiver.url, timeout: { answer: '60ms' } } });
    stage.receiver.next.push((response) => {
      response.writeHead(200, { 'Content-Length': '10' }).write('half');
    });
    await publishAll(publisher, step(0, 2));
    expect(stage.receiver.bodies()).toEqual(numbers(0, 2));
  });

  it('stores nothing beyond what it has taken, and outputs of one input are passed as a whole', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(200), answer(200), answer(200));
    stage.receiver.usual = answer(500);
    const outputs = [0, 0, 1, 1, 2].map((position) => ({ sink: 0, partition: 0, position, key: 'k', value: 'x' }));
    expect((await publishUntil(publisher, outputBatch([['in/0', 0, 3]], outputs), 'retryable')).outputs).toBe(2);
    expect(await stored(publisher)).toMatchObject({ 'in/0': 1 });
    stage.receiver.usual = answer(200);
    await publishAll(publisher, outputBatch([['in/0', 1, 3]], outputs.slice(2)));
    // The first output of the second input had been taken: it is not sent again.
    const ids = stage.receiver.arrived.map(({ key }) => key.split(':').slice(4).join(':'));
    expect(ids.filter((id) => id === '1:0')).toHaveLength(1);
    expect([...new Set(ids)]).toEqual(['0:0', '0:1', '1:0', '1:1', '2:0']);
  });
});

function fail(): never {
  throw new Error('no genesis');
}
