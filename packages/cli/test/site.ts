// What a test of commands runs on: a folder with configurations, a database of its own, and the nodes it started.
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sharedTestServer, type TestDatabase } from '@tandem/embedded';
import pg from 'pg';
import { start, tandem, type Ended, type Environment, type Running } from './process.ts';

const root = path.resolve(__dirname, '../../..');
export const ordersModule = path.join(root, 'apps/orders/app.ts');
export const token = 'a-token-of-twenty-letters';

const configuration = `pair: orders
node: { id: \${NODE}, listen: "127.0.0.1:\${PORT}", token: \${TOKEN:-${token}} }
postgres: { url: \${DATABASE} }
coordinator: { postgres: { sessionTimeout: 1s } }
store: { postgres: {} }
apps:
  - module: ${ordersModule}
    sources: { orders: { postgres: { log: orders, create: { partitions: 2 } } } }
    sinks:
      totals: { postgres: { log: totals, create: { partitions: 1 } } }
      perMinute: { postgres: { log: minutes, create: { partitions: 1 } } }
      deadLetter: { postgres: { log: dead, create: { partitions: 1 } } }
`;

type Edit = (text: string) => string;

export class Site {
  readonly folder: string;
  readonly url: string;
  readonly #database: TestDatabase;
  readonly #nodes: Running[] = [];

  private constructor(folder: string, database: TestDatabase) {
    this.folder = folder;
    this.url = database.url;
    this.#database = database;
  }

  /** With the orders app in tandem.yaml. */
  static async open(): Promise<Site> {
    const database = await (await sharedTestServer()).createDatabase();
    const site = new Site(await mkdtemp(path.join(tmpdir(), 'tandem-cli-test-')), database);
    await site.configure('tandem.yaml');
    // For apps that a test writes.
    await symlink(path.join(root, 'node_modules'), path.join(site.folder, 'node_modules'));
    return site;
  }

  /** Writes the configuration, edited, under that name. */
  async configure(name: string, edit: Edit = (same) => same): Promise<string> {
    return this.write(name, edit(configuration));
  }

  async write(name: string, text: string): Promise<string> {
    await writeFile(path.join(this.folder, name), text);
    return name;
  }

  environment(node: string, port: number | string, more: Environment = {}): Environment {
    return { NODE: node, PORT: String(port), DATABASE: this.url, ...more };
  }

  /** A command as node a would give it, which does not run. */
  tandem(words: readonly string[], environment: Environment = this.environment('a', 0)): Promise<Ended> {
    return tandem(words, environment, this.folder);
  }

  run(node: string, port: number, file = 'tandem.yaml', more: Environment = {}): Running {
    const running = start(['run', '--config', file], this.environment(node, port, more), this.folder);
    this.#nodes.push(running);
    return running;
  }

  async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async endNodes(): Promise<void> {
    const nodes = this.#nodes.splice(0);
    for (const { child } of nodes) child.kill('SIGKILL');
    await Promise.all(nodes.map(({ ended }) => ended));
  }

  async close(): Promise<void> {
    await this.endNodes();
    await rm(this.folder, { recursive: true, force: true });
    await this.#database.drop();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
