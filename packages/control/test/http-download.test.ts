import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { TandemError } from '@tandem/ports';
import { start, until, type Running } from './http-fixture.ts';

const chunk_bytes = 64 * 1024;
let running: Running | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

/** An endless (or failing) snapshot that tells how much was taken from it and whether it was let go. */
class Source {
  taken = 0;
  closed = false;
  readonly #failAfter: number;
  constructor(failAfter = Infinity) {
    this.#failAfter = failAfter;
  }
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.taken >= this.#failAfter) throw new TandemError('lane-failed', 'the lane stopped');
        this.taken += 1;
        yield await Promise.resolve(Buffer.alloc(chunk_bytes));
      }
    } finally {
      this.closed = true;
    }
  }
}

async function serve(source: Source, stallLimit_ms?: number): Promise<Running> {
  running = await start({ snapshot: () => source.chunks() }, stallLimit_ms === undefined ? {} : { stallLimit_ms });
  return running;
}

/** Opens the download and reads nothing of its body. */
async function openPaused(server: Running): Promise<IncomingMessage> {
  const call = get(`${server.url}/v1/apps/orders/snapshot`, { agent: false });
  call.on('error', () => undefined);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}

/** Turns of the event loop in which nothing more was taken. */
async function untilStill(source: Source): Promise<void> {
  let seen = -1;
  let still = 0;
  await until('the source is left alone', () => {
    still = source.taken === seen ? still + 1 : 0;
    seen = source.taken;
    return still > 500;
  });
}

describe('a download', () => {
  it.each([
    ['/v1/apps/orders/snapshot', 'snapshot', 'orders.snapshot.gz'],
    ['/v1/apps/orders/revisions/7', 'revision', 'orders.revision-7.gz'],
  ])('%s is the bytes as they are, as a file', async (path, body, fileName) => {
    running = await start();
    const answer = await running.ask(path);
    expect([answer.status, answer.body]).toEqual([200, body]);
    expect(answer.headers['content-type']).toBe('application/gzip');
    expect(answer.headers['content-disposition']).toBe(`attachment; filename=${fileName}`);
    expect(answer.headers).not.toHaveProperty('content-encoding');
  });

  it('HEAD takes no snapshot', async () => {
    const source = new Source();
    const answer = await (await serve(source)).ask('/v1/apps/orders/snapshot', { method: 'HEAD' });
    expect([answer.status, answer.headers['content-type'], source.taken]).toEqual([200, 'application/gzip', 0]);
  });

  it('takes no more from its source than the client reads', async () => {
    const source = new Source();
    const response = await openPaused(await serve(source));
    await untilStill(source);
    const before = source.taken;
    expect(before).toBeLessThan(400);
    let read_bytes = 0;
    response.on('data', (chunk: Buffer) => (read_bytes += chunk.length));
    await until('more is taken as the client reads', () => read_bytes > (before + 20) * chunk_bytes);
    expect(source.taken).toBeGreaterThan(before);
    response.destroy();
    await until('the source is let go', () => source.closed);
  });

  it('lets its source go when the client leaves', async () => {
    const source = new Source();
    const response = await openPaused(await serve(source));
    expect(source.closed).toBe(false);
    response.destroy();
    await until('the source is let go', () => source.closed);
    await until('it is logged', () => running?.logged.some((line) => line.includes('the client left')) ?? false);
  });

  it('ends for a client that stops reading', async () => {
    const source = new Source();
    await openPaused(await serve(source, 50));
    await until('the source is let go', () => source.closed);
  });

  it('that fails before its first byte is answered with the reason', async () => {
    const source = new Source(0);
    const answer = await (await serve(source)).ask('/v1/apps/orders/snapshot');
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([503, { code: 'lane-failed' }]);
    expect(answer.headers).not.toHaveProperty('content-disposition');
  });

  it('of a state that cannot be vouched for answers 409', async () => {
    running = await start({
      snapshot: () => {
        throw new TandemError('not-vouched', 'orders is restoring');
      },
    });
    const answer = await running.ask('/v1/apps/orders/snapshot');
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([409, { code: 'not-vouched' }]);
  });

  it('of a revision that is gone answers 404', async () => {
    running = await start({
      revision: () => {
        throw new TandemError('revision-missing', 'orders has no revision 3');
      },
    });
    const answer = await running.ask('/v1/apps/orders/revisions/3');
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([404, { code: 'revision-missing' }]);
  });

  it('that fails in the middle is an error at the client, not a short body', async () => {
    const server = await serve(new Source(3));
    await expect(server.ask('/v1/apps/orders/snapshot')).rejects.toThrow(/ECONNRESET|aborted/);
    expect(server.logged.join('')).toContain('the lane stopped');
  });

  it('is refused to an HTTP/1.0 client, which could not tell a part from the whole', async () => {
    const source = new Source();
    const socket = connect((await serve(source)).port, '127.0.0.1');
    socket.write('GET /v1/apps/orders/snapshot HTTP/1.0\r\nHost: localhost\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 505 /);
    expect(source.taken).toBe(0);
  });

  it('leaves the node serving after one has failed', async () => {
    const server = await serve(new Source(3));
    await expect(server.ask('/v1/apps/orders/snapshot')).rejects.toThrow();
    expect((await server.ask('/livez')).status).toBe(200);
  });
});
