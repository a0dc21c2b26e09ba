import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { checkUpgrade, refuseUpgrade } from '../src/http/access.ts';
import { defaultLimits } from '../src/http/server.ts';
import { doors, guarded, start, token, type Running } from './http-fixture.ts';
import type { NodeDoors } from '../src/api.ts';

let running: Running | undefined;

async function node(changes: Partial<NodeDoors>, limits = defaultLimits): Promise<Running> {
  running = await start(changes, { limits });
  return running;
}

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const open: Partial<NodeDoors> = { token, loopback: false };

describe('with a token', () => {
  it.each(guarded)('%s %s is served to the right token only', async (method, path) => {
    const server = await node(open);
    const status = async (authorization?: string): Promise<number> =>
      (await server.ask(path, { method, headers: authorization === undefined ? {} : { authorization } })).status;
    expect(await status()).toBe(401);
    expect(await status('Bearer wrong')).toBe(401);
    expect(await status(`Bearer ${token}x`)).toBe(401);
    expect(await status(`Basic ${token}`)).toBe(401);
    expect(await status('Bearer ')).toBe(401);
    expect(await status(`bearer ${token}`)).toBeLessThan(300);
  });

  it('a refusal says how to authenticate, and whether a token was wrong', async () => {
    const server = await node(open);
    const missing = await server.ask('/v1/node');
    expect(missing.headers['www-authenticate']).toBe('Bearer realm="tandem"');
    expect(missing.headers['content-type']).toBe('application/problem+json');
    const wrong = await server.ask('/v1/node', { headers: { authorization: 'Bearer wrong' } });
    expect(wrong.headers['www-authenticate']).toBe('Bearer realm="tandem", error="invalid_token"');
  });

  it('a path that does not exist looks like one that does', async () => {
    expect((await (await node(open)).ask('/v1/nothing')).status).toBe(401);
  });

  it('a token is asked for on loopback too, once one is configured', async () => {
    const server = await node({ token, loopback: true });
    expect((await server.ask('/v1/node')).status).toBe(401);
    expect((await server.ask('/v1/node', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  });

  it.each(['/livez', '/readyz', '/startupz', '/active'])('%s tells strangers one word', async (path) => {
    const server = await node({ ...open, ready: () => ({ ok: false, why: 'secret reason' }) });
    const stranger = await server.ask(path);
    expect(stranger.body).toMatch(/^[a-z]+\n$/);
    const known = await server.ask(path, { headers: { authorization: `Bearer ${token}` } });
    expect(known.status).toBe(stranger.status);
    expect(known.body.startsWith(stranger.body)).toBe(true);
  });

  it('neither the right nor a wrong token reaches the log', async () => {
    const server = await node(open);
    await server.ask('/v1/node', { headers: { authorization: 'Bearer guess' } });
    await server.ask('/v1/nothing', { headers: { authorization: `Bearer ${token}` } });
    expect(server.logged).toHaveLength(2);
    expect(server.logged.join('')).not.toMatch(/guess|correct-horse/);
  });

  it('other host names and origins are served: the token is what counts', async () => {
    const headers = { authorization: `Bearer ${token}`, host: 'node-a.example', origin: 'https://board.example' };
    expect((await (await node(open)).ask('/v1/node', { headers })).status).toBe(200);
  });
});

describe('without a token', () => {
  it('a node that is not on loopback serves nothing but probes', async () => {
    const server = await node({ loopback: false });
    expect((await server.ask('/v1/node')).status).toBe(401);
    expect((await server.ask('/v1/node', { headers: { authorization: 'Bearer undefined' } })).status).toBe(401);
    expect((await server.ask('/livez')).status).toBe(200);
  });

  it.each(['localhost', 'localhost:7070', 'LOCALHOST:1', '127.0.0.1', '127.0.0.2:80', '[::1]:7070'])(
    'loopback serves the host name %s',
    async (host) => {
      expect((await (await node({})).ask('/v1/node', { headers: { host } })).status).toBe(200);
    },
  );

  it.each([
    'rebound.example',
    'rebound.example:7070',
    '127.0.0.1.example',
    'localhost.example',
    '10.0.0.1',
    'a@localhost',
  ])('loopback refuses the host name %s', async (host) => {
    const answer = await (await node({})).ask('/v1/node', { headers: { host } });
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([403, { code: 'host-refused' }]);
  });

  it.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:3000' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('a page of another origin cannot make a switchover: %j', async (headers) => {
    let switched = false;
    const server = await node({
      switchover: () => {
        switched = true;
        return Promise.resolve({ outcome: 'done', detail: '', took_ms: 0 });
      },
    });
    const answer = await server.ask('/v1/pair/switchover', { method: 'POST', headers });
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([403, { code: 'origin-refused' }]);
    expect(switched).toBe(false);
  });

  it('a page of the same origin is served', async () => {
    const server = await node({});
    const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' };
    expect((await server.ask('/v1/pair/switchover', { method: 'POST', headers })).status).toBe(200);
  });
});

describe('the upgrade of the link', () => {
  /** Answers every upgrade: 101 when it is let in, else the refusal. */
  async function upgrade(changes: Partial<NodeDoors>, lines: readonly string[], path = '/v1/link'): Promise<string> {
    const server = await node(changes);
    server.server.on('upgrade', (request, socket) => {
      const refusal = checkUpgrade(request, doors(changes));
      if (refusal === undefined) socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      else refuseUpgrade(socket, refusal, 'a-1');
    });
    const socket = connect(server.port, '127.0.0.1');
    const head = [`GET ${path} HTTP/1.1`, 'Connection: Upgrade', 'Upgrade: websocket', ...lines];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    return text(socket);
  }
  const local = 'Host: localhost:7070';

  it('is let in with the token, or on loopback without one', async () => {
    expect(await upgrade(open, ['Host: a.example', `Authorization: Bearer ${token}`])).toMatch(/^HTTP\/1.1 101 /);
    await running?.stop();
    expect(await upgrade({}, [local])).toMatch(/^HTTP\/1.1 101 /);
  });

  it('is refused without the token, with an answer that can be read', async () => {
    const answer = await upgrade(open, [local]);
    expect(answer).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n/);
    expect(answer).toContain('www-authenticate: Bearer realm="tandem"\r\n');
    expect(answer).toContain('tandem-incarnation: a-1\r\n');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status: 401, code: 'unauthorised' });
  });

  it('is refused to a page of another origin', async () => {
    expect(await upgrade({}, [local, 'Origin: https://evil.example'])).toMatch(/^HTTP\/1.1 403 /);
  });

  it('is refused at any other path', async () => {
    expect(await upgrade({}, [local], '/v1/node')).toMatch(/^HTTP\/1.1 404 /);
  });
});

describe('limits of the server', () => {
  async function raw(limits: typeof defaultLimits, bytes: string): Promise<string> {
    const server = await node({}, limits);
    const socket = connect(server.port, '127.0.0.1');
    socket.write(bytes);
    return text(socket);
  }

  it('headers above the limit answer 431', async () => {
    const answer = await raw(
      defaultLimits,
      `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('application/problem+json');
  });

  it('headers that do not come to an end answer 408', async () => {
    const slow = { ...defaultLimits, headersTimeout_ms: 50, requestTimeout_ms: 100 };
    expect(await raw(slow, 'GET /livez HTTP/1.1\r\n')).toMatch(/^HTTP\/1.1 408 /);
  });

  it('what is not HTTP answers 400', async () => {
    const answer = await raw(defaultLimits, 'hello\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ code: 'bad-request' });
  });

  it('a connection above the limit is ended, not refused: a refused one would say that the process is gone', async () => {
    const server = await node({}, { ...defaultLimits, maxConnections: 1 });
    const first = connect(server.port, '127.0.0.1');
    await once(first, 'connect');
    const second = connect(server.port, '127.0.0.1');
    const ended = once(second, 'close');
    second.on('error', () => undefined);
    second.resume();
    await once(second, 'connect');
    await ended;
    first.destroy();
  });
});
