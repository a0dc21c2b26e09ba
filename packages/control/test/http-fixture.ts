// A running HTTP server over fake doors, and a client that can send what a browser or an attacker would.
import { once } from 'node:events';
import { request as send, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino, type Logger } from 'pino';
import { createHttpApp, type HttpAppOptions } from '../src/http/app.ts';
import { createHttpServer, type HttpLimits } from '../src/http/server.ts';
import type { AppReport, AppSummary, NodeDoors, NodeReport } from '../src/api.ts';

export const token = 'correct-horse-battery';

/** Every route that only those with access may use. */
export const guarded = [
  ['GET', '/metrics'],
  ['GET', '/v1/node'],
  ['GET', '/v1/pair'],
  ['POST', '/v1/pair/switchover'],
  ['GET', '/v1/apps'],
  ['GET', '/v1/apps/orders'],
  ['GET', '/v1/apps/orders/snapshot'],
  ['GET', '/v1/apps/orders/published'],
  ['GET', '/v1/apps/orders/revisions'],
  ['POST', '/v1/apps/orders/revisions'],
  ['GET', '/v1/apps/orders/revisions/7'],
] as const;

export const summary: AppSummary = {
  app: 'orders',
  version: 3,
  condition: 'in-sync',
  output: 'live',
  reason: null,
  diverged: false,
  restarts: 0,
};

export const nodeReport: NodeReport = {
  pair: 'shop',
  node: 'a',
  incarnation: 'a-1',
  address: 'http://127.0.0.1:7070',
  role: 'active',
  epoch: 4,
  startedAt: '2026-01-02T03:04:05.000Z',
  time: '2026-01-02T04:05:06.000Z',
  runtime: '20.20.2',
  coordinator: { connected: true, detail: null },
  link: { open: true, peer: 'b-7' },
  troubles: [],
};

export const appReport: AppReport = {
  ...summary,
  topologyHash: '0123456789abcdef',
  lanes: 1,
  inSync: true,
  tasks: [
    {
      task: 'orders/0',
      position: '120',
      end: '125',
      lag_inputs: 5,
      published: { postgres: '118' },
      queued: { totals: 2 },
      queued_bytes: 64,
      paused: false,
      late: 0,
      deadLettered: 0,
    },
  ],
  metrics: [],
  troubles: [],
  digests: { taken: 3, compared: 2, divergences: 0, lastDivergence: null, verified: true },
  persistence: { lastRevision: 7, lastAt: '2026-01-02T03:04:05.000Z', lastError: null },
};

export async function* chunksOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

/** A healthy active on loopback with one app, `orders`. */
export function doors(changes: Partial<NodeDoors> = {}): NodeDoors {
  const ofOrders = <T>(answer: T) => {
    return (name: string): T | undefined => (name === 'orders' ? answer : undefined);
  };
  return {
    token: undefined,
    loopback: true,
    node: () => nodeReport,
    pair: () =>
      Promise.resolve({
        pair: 'shop',
        epoch: 4,
        active: 'a',
        members: [{ node: 'a', incarnation: 'a-1', address: 'http://127.0.0.1:7070', role: 'active' }],
      }),
    apps: () => [summary],
    app: (name) => Promise.resolve(ofOrders(appReport)(name)),
    published: ofOrders({ app: 'orders', epoch: 4, published: { postgres: { 'orders/0': '118' } } }),
    revisions: (name) =>
      Promise.resolve(
        ofOrders([
          {
            revision: 7,
            appVersion: 3,
            epoch: 4,
            size_bytes: 8,
            createdAt: '2026-01-02T03:04:05.000Z',
            positions: { 'orders/0': '100' },
          },
        ])(name),
      ),
    revision: (name) => ofOrders(chunksOf('revi', 'sion'))(name),
    snapshot: (name) => ofOrders(chunksOf('snap', 'shot'))(name),
    persist: (name) => Promise.resolve(ofOrders({ revision: 8, size_bytes: 9 })(name)),
    switchover: () => Promise.resolve({ outcome: 'done', detail: 'b is active', took_ms: 12 }),
    metrics: () =>
      Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'tandem_epoch 4\n' }),
    ready: () => ({ ok: true, why: 'every app is in sync' }),
    started: () => ({ ok: true, why: 'joined' }),
    ...changes,
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Running {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  /** Every line logged so far, as text. */
  readonly logged: readonly string[];
  ask(path: string, asked?: Asked): Promise<Answer>;
  stop(): Promise<void>;
}

export function recordingLog(lines: string[]): Logger {
  return pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
}

export async function start(
  changes: Partial<NodeDoors> = {},
  options: HttpAppOptions & { readonly limits?: HttpLimits } = {},
): Promise<Running> {
  const logged: string[] = [];
  const server = createHttpServer(createHttpApp(doors(changes), recordingLog(logged), options), options.limits);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    url: `http://127.0.0.1:${String(port)}`,
    logged,
    ask: (path, asked = {}) => ask(port, path, asked),
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** @throws what the connection threw: a body that was cut short is an error, never a short body. */
function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = send({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** Waits until `look` says so. @throws after five seconds. */
export async function until(what: string, look: () => boolean): Promise<void> {
  const deadline_ms = performance.now() + 5_000;
  while (!look()) {
    if (performance.now() > deadline_ms) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
