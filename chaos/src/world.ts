// Everything of one run: servers, gates in every connection of the nodes, two node processes, inputs and a reader.
import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Feed, Gate, Pair, until } from '@tandem/harness';
import pg from 'pg';
import { Arrivals } from './arrivals.ts';
import {
  checkPublished,
  computeExpected,
  countOf,
  countsLog,
  createPartsTable,
  inputLog,
  partitions,
  partsTable,
} from './checker.ts';
import type { Checked, Expected } from './checker.ts';
import { Disk } from './disk.ts';
import { systemsOf, type Server, type StackName, type System, type World } from './faults/fault.ts';
import { Nodes } from './nodes.ts';
import { openSystems, type Systems } from './systems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const nodeIds = ['a', 'b'] as const;

export interface StageOptions {
  readonly stack: StackName;
  /** Of this run alone; made, and removed where nothing went wrong. */
  readonly folder: string;
  /** Of the file system for the output table, when a fault needs it. */
  readonly disk_mb: number | undefined;
  readonly say: (line: string) => void;
}

/** The servers could not be started. */
export class NoServers extends Error {
  override readonly name = 'NoServers';
}

export class Stage implements World {
  readonly stack: StackName;
  readonly nodes: Nodes;
  readonly feed: Feed;
  readonly arrivals: Arrivals;
  readonly disk: Disk | string;
  /** Names and versions of what the pair runs on. */
  readonly described: string;
  readonly #systems: Systems;
  readonly #gates: ReadonlyMap<string, Gate>;
  readonly #closing: (() => Promise<unknown>)[];

  private constructor(
    stack: StackName,
    parts: { nodes: Nodes; feed: Feed; arrivals: Arrivals; disk: Disk | string },
    systems: Systems,
    gates: ReadonlyMap<string, Gate>,
    closing: (() => Promise<unknown>)[],
  ) {
    this.stack = stack;
    this.nodes = parts.nodes;
    this.feed = parts.feed;
    this.arrivals = parts.arrivals;
    this.disk = parts.disk;
    this.described = systems.described;
    this.#systems = systems;
    this.#gates = gates;
    this.#closing = closing;
  }

  /** Servers, tables and configuration; nodes are started by `begin`. @throws NoServers */
  static async open({ stack, folder, disk_mb, say }: StageOptions): Promise<Stage> {
    const closing: (() => Promise<unknown>)[] = [];
    try {
      await mkdir(folder, { recursive: true });
      await chmod(folder, 0o755);
      const gates = await openGates(stack);
      closing.push(() => Promise.all([...gates.values()].map((gate) => gate.close())));
      const gate = (node: string, to: System | 'link') => find(gates, node, to);
      const disk = disk_mb === undefined ? 'no fault needed a disk' : await Disk.mount(disk_mb);
      // Unmounted once the server is gone.
      if (typeof disk !== 'string') closing.push(() => disk.unmount());
      say(`starting ${stack === 'kafka' ? 'Kafka, ZooKeeper and PostgreSQL' : 'PostgreSQL'}`);
      const systems = await openSystems(stack, folder, nodeIds, gate).catch((cause: unknown) => {
        throw new NoServers(cause instanceof Error ? cause.message : String(cause), { cause });
      });
      closing.push(() => rm(path.dirname(systems.dataFolder), { recursive: true, force: true }));
      closing.push(() => systems.close());
      await makeTable(systems, disk);
      await systems.logs.create(countsLog, partitions);
      const feed = await Feed.open({ logs: systems.logs, log: inputLog, partitions });
      closing.push(() => feed.close());
      const arrivals = new Arrivals(systems.logs);
      closing.push(() => arrivals.close());
      const nodes = new Nodes(await makePair(folder, systems, gate), say);
      closing.push(() => {
        nodes.close();
        return nodes.pair.kill();
      });
      return new Stage(stack, { nodes, feed, arrivals, disk }, systems, gates, closing);
    } catch (thrown) {
      await undo(closing);
      throw thrown;
    }
  }

  /** Returns once both nodes are ready and outputs flow. @throws Error that says why not */
  async begin(rate_per_s: number): Promise<void> {
    await this.arrivals.start();
    await this.nodes.start(...this.nodes.ids);
    await this.nodes.pair.ready(60_000);
    this.feed.start(rate_per_s);
    const flows = await until({ limit_ms: 20_000 }, () => (this.arrivals.count > 0 ? true : undefined));
    if (flows === undefined) throw new Error('no output came within 20 s of the first input');
  }

  gate(node: string, to: System | 'link'): Gate {
    return find(this.#gates, node, to);
  }

  server(system: System): Server {
    const server = this.#systems.servers[system];
    if (server === undefined) throw new Error(`there is no ${system} on stack ${this.stack}`);
    return server;
  }

  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#systems.url, connectionTimeoutMillis: 5000 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Every gate open, every process running, the load as it was. */
  heal(): void {
    for (const gate of this.#gates.values()) gate.heal();
    for (const id of this.nodes.ids) this.nodes.thaw(id);
    this.feed.factor = 1;
  }

  /** Until both nodes are ready and one is active. @returns what it hangs on, when it does. */
  async inStep(limit_ms: number): Promise<string | undefined> {
    const { pair } = this.nodes;
    let why = '';
    const isInStep = await until({ limit_ms, pause_ms: 100 }, async () => {
      const states = await Promise.all(pair.ids.map((id) => this.#readiness(id)));
      why = pair.ids.map((id, index) => `${id}: ${states[index] ?? ''}`).join('; ');
      if (!states.every((state) => state === 'ready')) return undefined;
      const active = await pair.active();
      if (active === undefined) why = 'not exactly one node is active';
      return active;
    });
    return isInStep === undefined ? why : undefined;
  }

  /** What must have come out for all inputs; they must have been stopped. */
  async expected(): Promise<Expected> {
    return await computeExpected({ logs: this.#systems.logs });
  }

  /** Waits until as much as is due is there, if it comes; a little longer, so that what comes twice is there too. */
  async drained(expected: Expected, limit_ms: number): Promise<void> {
    const counts = countOf(expected.counts);
    const parts = countOf(expected.parts);
    await until({ limit_ms, pause_ms: 200 }, async () =>
      this.arrivals.count >= counts && (await this.#rows()) >= parts ? true : undefined,
    );
    await until({ limit_ms: 1000 }, () => undefined);
  }

  async check(expected: Expected): Promise<Checked> {
    return await checkPublished({ logs: this.#systems.logs, url: this.#systems.url }, expected);
  }

  /** Ends everything that was started; what runs on the disk before the disk. */
  async close(): Promise<void> {
    await undo(this.#closing);
  }

  async #rows(): Promise<number> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM ${partsTable}`);
      return Number(rows[0]?.count);
    } finally {
      await client.end();
    }
  }

  async #readiness(id: string): Promise<string> {
    const { pair } = this.nodes;
    const ended = pair.process(id)?.ended;
    if (ended !== undefined) return `ended with ${ended}`;
    if ((await pair.status(id, '/readyz')) === 200) return 'ready';
    const report = await pair.get<{ role: string; troubles: readonly string[] }>(id, '/v1/node');
    return report === undefined
      ? 'no answer'
      : `${report.role}, not ready: ${report.troubles.join(', ') || 'says not why'}`;
  }
}

async function openGates(stack: StackName): Promise<ReadonlyMap<string, Gate>> {
  const gates = new Map<string, Gate>();
  for (const node of nodeIds) {
    for (const to of [...systemsOf[stack], 'link']) gates.set(`${node} ${to}`, await Gate.open());
  }
  return gates;
}

function find(gates: ReadonlyMap<string, Gate>, node: string, to: System | 'link'): Gate {
  const gate = gates.get(`${node} ${to}`);
  if (gate === undefined) throw new Error(`there is no gate from ${node} to ${to}`);
  return gate;
}

async function makeTable({ url, dataFolder }: Systems, disk: Disk | string): Promise<void> {
  if (typeof disk === 'string') {
    await createPartsTable(url);
    return;
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await disk.createTablespace(client, dataFolder);
  } finally {
    await client.end();
  }
  await createPartsTable(url, disk.tablespace);
}

async function makePair(
  folder: string,
  { url, logs, zookeeper }: Systems,
  gate: (node: string, to: System | 'link') => Gate,
): Promise<Pair> {
  const at = (node: string, to: System) => `127.0.0.1:${gate(node, to).port.toString()}`;
  return await Pair.create({
    name: 'chaos',
    root,
    folder: path.join(folder, 'nodes'),
    databaseUrl: url,
    logs,
    nodes: nodeIds,
    ...(zookeeper !== undefined && { zookeeper }),
    apps: [
      {
        module: 'chaos/src/app.ts',
        export: 'chaos',
        partitions,
        sources: { numbers: inputLog },
        sinks: {},
        settings: {
          sinks: {
            counts: logs.binding(countsLog, partitions),
            parts: {
              postgres: { table: partsTable, columns: { key: 'key', n: 'n', count: 'count', part: 'part' } },
            },
          },
        },
      },
    ],
    settings: { persistence: { interval: '2s' } },
    nodeSettings: (id, port) => {
      const way = gate(id, 'link');
      way.target = port;
      return { advertise: `http://127.0.0.1:${way.port.toString()}` };
    },
    ownSections: (id) => {
      const direct = new URL(url);
      direct.port = gate(id, 'postgres').port.toString();
      return {
        postgres: { url: direct.href },
        ...(logs.system === 'kafka' && { kafka: { brokers: [at(id, 'kafka')] } }),
        ...(zookeeper !== undefined && {
          zookeeper: { connect: `${at(id, 'zookeeper')}/${zookeeper.split('/')[1] ?? ''}` },
        }),
      };
    },
  });
}

async function undo(closing: (() => Promise<unknown>)[]): Promise<void> {
  let failure: unknown;
  for (const work of closing.splice(0).reverse()) await work().catch((thrown: unknown) => (failure ??= thrown));
  if (failure !== undefined) throw failure as Error;
}
