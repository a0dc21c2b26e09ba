import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TandemError } from '@tandem/ports';
import { appReport, guarded, nodeReport, start, summary, type Answer, type Running } from './http-fixture.ts';
import type { NodeDoors } from '../src/api.ts';

let running: Running | undefined;

async function node(changes: Partial<NodeDoors> = {}): Promise<Running> {
  running = await start(changes);
  return running;
}

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toMatchObject({ type: 'about:blank', status, code });
}

describe('probes', () => {
  const cases: readonly (readonly [string, Partial<NodeDoors>, number, string])[] = [
    ['/livez', {}, 200, 'live\n'],
    ['/readyz', {}, 200, 'ready\nevery app is in sync\n'],
    [
      '/readyz',
      { ready: () => ({ ok: false, why: 'app orders is restoring' }) },
      503,
      'unready\napp orders is restoring\n',
    ],
    ['/startupz', {}, 200, 'started\njoined\n'],
    ['/startupz', { started: () => ({ ok: false, why: 'joining' }) }, 503, 'starting\njoining\n'],
    ['/active', {}, 200, 'active\nepoch 4\n'],
    ['/active', { node: () => ({ ...nodeReport, role: 'passive' }) }, 503, 'passive\nepoch 4\n'],
    ['/active', { node: () => ({ ...nodeReport, role: 'promoting', epoch: null }) }, 503, 'promoting\n'],
  ];
  it.each(cases)('%s answers what the node says (%#)', async (path, changes, status, body) => {
    const answer = await (await node(changes)).ask(path);
    expect([answer.status, answer.body]).toEqual([status, body]);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  it('answer HEAD with the status alone', async () => {
    const answer = await (await node()).ask('/active', { method: 'HEAD' });
    expect([answer.status, answer.body]).toEqual([200, '']);
  });
});

describe('reports', () => {
  it.each([
    ['/v1/node', nodeReport],
    ['/v1/apps', [summary]],
    ['/v1/apps/orders', appReport],
    ['/v1/apps/orders/published', { app: 'orders', epoch: 4, published: { postgres: { 'orders/0': '118' } } }],
  ])('%s is the JSON of the node', async (path, body) => {
    const answer = await (await node()).ask(path);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(answer.body)).toEqual(body);
  });

  it('names the members of the pair', async () => {
    const answer = await (await node()).ask('/v1/pair');
    expect(JSON.parse(answer.body)).toMatchObject({ active: 'a', members: [{ node: 'a', role: 'active' }] });
  });

  it('lists the revisions of an app', async () => {
    const answer = await (await node()).ask('/v1/apps/orders/revisions');
    expect(JSON.parse(answer.body)).toMatchObject([{ revision: 7, positions: { 'orders/0': '100' } }]);
  });

  it('serves metrics with the type that Prometheus expects', async () => {
    const answer = await (await node()).ask('/metrics');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.body).toBe('tandem_epoch 4\n');
  });

  it('decodes the name of an app', async () => {
    const asked: string[] = [];
    const app = (name: string): Promise<undefined> => {
      asked.push(name);
      return Promise.resolve(undefined);
    };
    await (await node({ app })).ask('/v1/apps/a%2Fb');
    expect(asked).toEqual(['a/b']);
  });
});

describe('every answer', () => {
  it.each(['/livez', '/v1/node', '/v1/nothing'])('%s says which process gave it and is not kept', async (path) => {
    const { headers } = await (await node()).ask(path);
    expect(headers).toMatchObject({
      'tandem-incarnation': 'a-1',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('etag');
  });
});

describe('a switchover', () => {
  it('that is done answers 200 with its report', async () => {
    const answer = await (await node()).ask('/v1/pair/switchover', { method: 'POST' });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({ outcome: 'done', detail: 'b is active', took_ms: 12 });
  });

  it.each([
    ['refused', 409],
    ['expired', 503],
  ] as const)('that is %s answers %i and says why', async (outcome, status) => {
    const switchover: NodeDoors['switchover'] = () =>
      Promise.resolve({ outcome, detail: 'nobody is in sync', took_ms: 3 });
    const answer = await (await node({ switchover })).ask('/v1/pair/switchover', { method: 'POST' });
    expectProblem(answer, status, `switchover-${outcome}`);
    expect(JSON.parse(answer.body)).toMatchObject({ outcome, detail: 'nobody is in sync', took_ms: 3 });
  });
});

describe('persist now', () => {
  it('answers 201 with the revision and where it is', async () => {
    const answer = await (await node()).ask('/v1/apps/orders/revisions', { method: 'POST' });
    expect(answer.status).toBe(201);
    expect(answer.headers.location).toBe('/v1/apps/orders/revisions/8');
    expect(JSON.parse(answer.body)).toEqual({ revision: 8, size_bytes: 9 });
  });

  it('is refused on a node that is not active', async () => {
    const persist = () => Promise.reject(new TandemError('not-active', 'b is the active'));
    const answer = await (await node({ persist })).ask('/v1/apps/orders/revisions', { method: 'POST' });
    expectProblem(answer, 409, 'not-active');
  });
});

describe('what is not there', () => {
  it.each([
    ['GET', '/v1/apps/other'],
    ['GET', '/v1/apps/other/snapshot'],
    ['GET', '/v1/apps/other/published'],
    ['GET', '/v1/apps/other/revisions'],
    ['POST', '/v1/apps/other/revisions'],
    ['GET', '/v1/apps/other/revisions/1'],
  ])('%s %s answers 404: no such app', async (method, path) => {
    expectProblem(await (await node()).ask(path, { method }), 404, 'no-such-app');
  });

  it.each(['/', '/v1', '/v1/apps/', '/v1/NODE', '/v1/link', '/v1/apps/orders/other'])(
    '%s answers 404: no such route',
    async (path) => {
      expectProblem(await (await node()).ask(path), 404, 'no-such-route');
    },
  );

  it.each(['x', '-1', '1.5', '0x1', '9999999999999999'])("revision '%s' answers 404", async (revision) => {
    expectProblem(await (await node()).ask(`/v1/apps/orders/revisions/${revision}`), 404, 'revision-missing');
  });

  it.each([
    ['POST', '/livez', 'GET, HEAD'],
    ['DELETE', '/v1/node', 'GET, HEAD'],
    ['GET', '/v1/pair/switchover', 'POST'],
    ['PUT', '/v1/apps/orders/revisions', 'GET, HEAD, POST'],
    ['OPTIONS', '/v1/apps/orders/snapshot', 'GET, HEAD'],
  ])('%s %s answers 405 and names what is allowed', async (method, path, allow) => {
    const answer = await (await node()).ask(path, { method });
    expectProblem(answer, 405, 'method-not-allowed');
    expect(answer.headers.allow).toBe(allow);
  });
});

describe('what goes wrong', () => {
  it('a failure of the node answers 503 with its stable code', async () => {
    const pair = () => Promise.reject(new TandemError('coordinator-unreachable', 'no answer from the coordinator'));
    const answer = await (await node({ pair })).ask('/v1/pair');
    expectProblem(answer, 503, 'coordinator-unreachable');
    expect(answer.headers['retry-after']).toBe('1');
  });

  it("a user's mistake answers 400", async () => {
    const pair = () => Promise.reject(new TandemError('odd', 'not like this', { blame: 'user' }));
    expectProblem(await (await node({ pair })).ask('/v1/pair'), 400, 'odd');
  });

  it('an unexpected error answers 500 without its message, which the log has', async () => {
    const pair = () => Promise.reject(new Error('password=hunter2'));
    const server = await node({ pair });
    const answer = await server.ask('/v1/pair');
    expectProblem(answer, 500, 'internal');
    expect(answer.body).not.toContain('hunter2');
    expect(server.logged.join('')).toContain('hunter2');
  });

  it.each([
    ['/v1/apps/%', 400, 'bad-request'],
    ['/v1/apps/%E0%A4', 400, 'bad-request'],
  ])('%s answers %i', async (path, status, code) => {
    expectProblem(await (await node()).ask(path), status, code);
  });

  it('a body within the limit is ignored, a larger one answers 413', async () => {
    const server = await node();
    const post = (size_bytes: number): Promise<Answer> =>
      server.ask('/v1/pair/switchover', { method: 'POST', body: 'x'.repeat(size_bytes) });
    expect((await post(1024)).status).toBe(200);
    expectProblem(await post(1025), 413, 'body-too-large');
  });

  it('a body whose size is not announced is limited too', async () => {
    const answer = await (
      await node()
    ).ask('/v1/pair/switchover', {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked' },
      body: 'x'.repeat(5_000),
    });
    expectProblem(answer, 413, 'body-too-large');
  });

  it('a compressed body is refused instead of being inflated', async () => {
    const answer = await (
      await node()
    ).ask('/v1/pair/switchover', { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: 'x' });
    expectProblem(answer, 415, 'bad-request');
  });

  it('a refused request is logged at debug without its query', async () => {
    const server = await node();
    await server.ask('/v1/nothing?secret=1');
    expect(server.logged).toHaveLength(1);
    expect(JSON.parse(server.logged[0] ?? '')).toMatchObject({
      level: 20,
      method: 'GET',
      path: '/v1/nothing',
      status: 404,
    });
    expect(server.logged[0]).not.toContain('secret');
  });
});

describe('docs/http-api.md', () => {
  it('describes routes that are there, and every guarded one', async () => {
    const page = await readFile(join(__dirname, '../../../docs/http-api.md'), 'utf8');
    const described = [...page.matchAll(/^### (GET|POST) (\S+)$/gm)].map(([, method = '', path = '']) => {
      return `${method} ${path.replace(':app', 'orders').replace(':revision', '7')}`;
    });
    expect(described).toEqual(expect.arrayContaining(guarded.map(([method, path]) => `${method} ${path}`)));
    const server = await node();
    for (const route of described) {
      const [method = '', path = ''] = route.split(' ');
      const { status } = await server.ask(path, { method });
      expect([route, status < 300]).toEqual([route, true]);
    }
  });
});
