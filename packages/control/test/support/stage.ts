// Nodes in this process, with real lanes, on a PostgreSQL database of the test file's own.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import { bundleApp, describeApp, systemClock, type LaneSpec } from '@tandem/lane';
import {
  createPostgresCoordinator,
  createPostgresSnapshotStore,
  openConnection,
  openLogWriter,
  type Connection,
} from '@tandem/postgres';
import { pino } from 'pino';
import { startNode, type NodeEnd, type NodeHandle } from '../../src/index.ts';
import type { AppReport, NodeReport } from '../../src/api.ts';
import type { AppOptions, NodeOptions } from '../../src/options.ts';

export type Fixture = 'totals' | 'totals-v2' | 'totals-other-store' | 'others';
type Code = Pick<AppOptions, 'bundle' | 'description'>;

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface NodeChoices {
  readonly apps?: readonly Code[];
  readonly lanes?: number;
  readonly live?: boolean;
  readonly retry_ms?: number;
  readonly grace_ms?: number;
  readonly token?: string;
  readonly advertise?: string;
  readonly persistence?: NodeOptions['persistence'];
  readonly lane?: Partial<NodeOptions['lane']>;
  /** Where the snapshot store is reached, if not directly. */
  readonly storeUrl?: string;
  readonly spec?: Partial<Pick<LaneSpec, 'queueLimit_bytes' | 'inSyncLag_inputs' | 'digest'>>;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

export class RunningNode {
  readonly handle: NodeHandle;
  readonly log: readonly LogLine[];
  readonly port: number;
  readonly #token: string | undefined;
  end: NodeEnd | undefined;

  constructor(handle: NodeHandle, log: readonly LogLine[], port: number, token: string | undefined) {
    this.handle = handle;
    this.log = log;
    this.port = port;
    this.#token = token;
    void handle.ended.then((end) => (this.end = end));
  }

  ask(method: 'GET' | 'POST', route: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
      const options = {
        host: '127.0.0.1',
        port: this.port,
        path: route,
        method,
        headers,
        agent: false,
        timeout: 20_000,
      };
      const asked = request(options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) });
        });
        response.on('error', reject);
      });
      asked.on('timeout', () => asked.destroy(new Error(`no answer to ${route}`)));
      asked.on('error', reject);
      asked.end();
    });
  }

  async json<T>(route: string, method: 'GET' | 'POST' = 'GET'): Promise<T> {
    const { status, body } = await this.ask(method, route);
    if (status >= 400) throw new Error(`${route} answered ${status}: ${body.toString()}`);
    return JSON.parse(body.toString()) as T;
  }

  app(name = 'totals'): Promise<AppReport> {
    return this.json<AppReport>(`/v1/apps/${name}`);
  }

  node(): Promise<NodeReport> {
    return this.json<NodeReport>('/v1/node');
  }

  async persist(name = 'totals'): Promise<number> {
    return (await this.json<{ revision: number }>(`/v1/apps/${name}/revisions`, 'POST')).revision;
  }

  /** Lines of the log whose text, with all its fields, holds this. */
  logged(part: string): readonly LogLine[] {
    return this.log.filter((line) => JSON.stringify(line).includes(part));
  }
}

export interface FaultyCode extends Code {
  /** New lanes run the app as it should be. */
  heal(): Promise<void>;
}

/** One partition each way and one output for every input: output n is that of input n. */
export class Stage {
  readonly url: string;
  readonly #database: TestDatabase;
  readonly #folder: string;
  readonly #connection: Connection;
  readonly #codes = new Map<Fixture, Promise<Code>>();
  #nodes: RunningNode[] = [];
  #faults = 0;

  private constructor(database: TestDatabase, folder: string, connection: Connection) {
    this.url = database.url;
    this.#database = database;
    this.#folder = folder;
    this.#connection = connection;
  }

  static async open(): Promise<Stage> {
    const database = await (await sharedTestServer()).createDatabase();
    const folder = await mkdtemp(path.join(tmpdir(), 'tandem-node-'));
    return new Stage(database, folder, await openConnection({ url: database.url, role: 'tool' }));
  }

  code(fixture: Fixture): Promise<Code> {
    let code = this.#codes.get(fixture);
    if (code === undefined) {
      code = this.#bundle(fixture);
      this.#codes.set(fixture, code);
    }
    return code;
  }

  /** The same code by its hash, which goes wrong on the amount 666. */
  async faulty(fixture: Fixture, fault: 'throw' | 'loop' | 'heap' | 'drift'): Promise<FaultyCode> {
    const { bundle, description } = await this.code(fixture);
    const file = path.join(this.#folder, `faulty-${this.#faults++}.mjs`);
    await writeFile(file, `globalThis.tandemTestFault = '${fault}';\n${await readFile(bundle.path, 'utf8')}`);
    return { bundle: { path: file, hash: bundle.hash }, description, heal: () => copyFile(bundle.path, file) };
  }

  /** Each test has a pair, and so logs, of its own. */
  async start(pair: string, id: string, choices: NodeChoices = {}): Promise<RunningNode> {
    const lines: LogLine[] = [];
    const port = await freePort();
    const log = pino({ level: 'debug', base: null }, { write: (line) => lines.push(JSON.parse(line) as LogLine) });
    const codes = choices.apps ?? [await this.code('totals')];
    const postgres = { url: this.url, schema: 'tandem', pair };
    const handle = await startNode({
      pair,
      node: {
        id,
        listen: { host: '127.0.0.1', port },
        advertise: choices.advertise,
        token: choices.token,
      },
      coordinator: createPostgresCoordinator({ ...postgres, sessionTimeout_ms: 1_000, clock: systemClock }),
      store: createPostgresSnapshotStore({ ...postgres, url: choices.storeUrl ?? this.url }),
      apps: codes.map((code) => ({ ...code, lanes: this.#lanes(pair, code, choices) })),
      stateSync: {
        live: choices.live ?? true,
        retry_ms: choices.retry_ms ?? 60_000,
        grace_ms: choices.grace_ms ?? 120_000,
      },
      outputSync: { interval_ms: 200 },
      persistence: choices.persistence ?? { interval_ms: 600_000, keep: 3 },
      link: { ping_ms: 100 },
      switchover: { limit_ms: 5_000 },
      lane: { answerLimit_ms: 10_000, restartBackoff_ms: 50, maxRestarts: 2, ...choices.lane },
      clock: systemClock,
      log,
    });
    const node = new RunningNode(handle, lines, port, choices.token);
    this.#nodes.push(node);
    return node;
  }

  /** Passives first, so that nothing is handed over for nothing. */
  async stopNodes(): Promise<void> {
    const nodes = this.#nodes;
    this.#nodes = [];
    for (const node of nodes.reverse()) if (node.end === undefined) await node.handle.stop();
  }

  async close(): Promise<void> {
    await this.stopNodes();
    await this.#connection.close();
    await this.#database.drop();
    await rm(this.#folder, { recursive: true });
  }

  async sql<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#connection.query<Row & Record<string, unknown>>(text, [...values])).rows;
  }

  /** Orders number `from` and on; of number n the amount is n, or what is given. */
  async feed(pair: string, from: number, count: number, amount?: number): Promise<void> {
    const writer = await openLogWriter({ url: this.url, log: `${pair}.orders`, create: { partitions: 1 } });
    for (let n = from; n < from + count; n++) {
      writer.add(keyOf(n), JSON.stringify({ id: keyOf(n), amount: amount ?? n }));
    }
    await writer.flush();
    await writer.close();
  }

  /** One record that is no order. */
  async feedText(pair: string, text: string): Promise<void> {
    const writer = await openLogWriter({ url: this.url, log: `${pair}.orders`, create: { partitions: 1 } });
    writer.add('k0', text);
    await writer.flush();
    await writer.close();
  }

  async outputs(pair: string, app = 'totals'): Promise<string[]> {
    const rows = await this.sql<{ value: string }>(
      `SELECT convert_from(value, 'UTF8') AS value FROM tandem."log_${pair}.${app}" ORDER BY partition, "offset"`,
    );
    return rows.map(({ value }) => value);
  }

  /** Until so many outputs are there, or more. */
  async outputCount(pair: string, count: number, app = 'totals'): Promise<void> {
    await eventually(`${count} outputs of ${pair}`, async () =>
      (await this.outputs(pair, app)).length >= count ? true : undefined,
    );
  }

  async #bundle(fixture: Fixture): Promise<Code> {
    const bundle = await bundleApp({
      module: path.join(__dirname, `../fixtures/${fixture}.ts`),
      adapters: ['@tandem/postgres/lane'],
      outDir: path.join(this.#folder, fixture),
    });
    return { bundle, description: await describeApp(bundle) };
  }

  #lanes(pair: string, { description: { app } }: Code, { lanes = 1, spec = {} }: NodeChoices): LaneSpec[] {
    const use = { adapter: 'postgres', system: { url: this.url, schema: 'tandem' } };
    const log = (name: string, partitions = 1) => ({ log: `${pair}.${name}`, create: { partitions } });
    return Array.from({ length: lanes }, (_, lane) => ({
      pair,
      app,
      lane,
      lanes,
      sources: [{ ...use, source: 'orders', binding: log('orders'), startFrom: 'earliest' }],
      publishers: [{ ...use, publisher: 'postgres', sinks: [{ sink: 'totals', binding: log(app) }] }],
      queueLimit_bytes: 8 << 20,
      publishMaxOutputs: 5_000,
      publishMaxBytes: 1 << 20,
      inSyncLag_inputs: 1_000,
      slice_ms: 8,
      digest: { every_inputs: 100, interval_ms: 300 },
      ...spec,
    }));
  }
}

/** One that is free now: with an address of its own given out a node does not say which it took. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const keys = 7;

function keyOf(n: number): string {
  return `k${n % keys}`;
}

/** What the app puts out for orders 0 to `count`, in their order; `amounts`: those that are not their number. */
export function expectedOutputs(count: number, amounts: Readonly<Record<number, number>> = {}): string[] {
  const totals = new Map<string, { count: number; sum: number }>();
  return Array.from({ length: count }, (_, n) => {
    const id = keyOf(n);
    const before = totals.get(id) ?? { count: 0, sum: 0 };
    const total = { count: before.count + 1, sum: before.sum + (amounts[n] ?? n) };
    totals.set(id, total);
    return JSON.stringify({ id, ...total });
  });
}

/** Tries until `look` gives something. @throws Error that says what was waited for and what was seen last. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, limit_ms = 15_000): Promise<T> {
  const until_ms = performance.now() + limit_ms;
  let last = 'nothing';
  while (performance.now() < until_ms) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${what}: waited ${limit_ms} ms in vain (${last})`);
}

/** Until the app's report is as `fits` wants it. */
export function appWhen(node: RunningNode, fits: (app: AppReport) => boolean, name = 'totals'): Promise<AppReport> {
  let seen = '';
  return eventually(`app ${name} as it should be`, async () => {
    const app = await node.app(name);
    const { condition, output, reason, restarts } = app;
    seen = `${condition} ${output} ${reason ?? ''} after ${restarts} restarts`;
    if (fits(app)) return app;
    throw new Error(seen);
  });
}

/** What a lane tells of itself may be a moment old: from before its source was connected. */
export async function untilWithoutTroubles(node: RunningNode): Promise<void> {
  await eventually('a node without troubles', async () => {
    const { troubles } = await node.node();
    if (troubles.length > 0) throw new Error(troubles.join('; '));
    return true;
  });
}

export const isLive = (app: AppReport): boolean => app.output === 'live';
export const isInSync = (app: AppReport): boolean => app.condition === 'in-sync';
