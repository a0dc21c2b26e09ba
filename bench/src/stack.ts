// The systems around the nodes: a PostgreSQL server with a fresh database for each run.
import { createDatabase, dropDatabase, startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { Pair, type PairOptions } from '@tandem/harness';
import { openLogWriter, type LogWriter } from '@tandem/postgres';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const root = fileURLToPath(new URL('../..', import.meta.url));
const nodesFolder = path.join(root, '.tandem', 'bench-nodes');
export const partitions = 4;

/** Where progress goes; never standard output, which is for the result. */
export type Progress = (line: string) => void;

export class Stack {
  readonly url: string;
  readonly version: string;
  readonly progress: Progress;
  readonly #name: string;
  readonly #server: EmbeddedServer | undefined;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(
    url: string,
    version: string,
    name: string,
    server: EmbeddedServer | undefined,
    progress: Progress,
  ) {
    this.url = url;
    this.version = version;
    this.progress = progress;
    this.#name = name;
    this.#server = server;
  }

  /** The embedded server, or the one that DATABASE_URL names; there too in a database of its own. */
  static async open(progress: Progress): Promise<Stack> {
    const given = process.env['DATABASE_URL'];
    const server =
      given === undefined ? await startEmbedded({ dataDir: path.join(root, '.tandem', 'bench') }) : undefined;
    const base = server?.url ?? given ?? '';
    const name = `bench_${process.pid.toString()}`;
    if (server?.reused === false) {
      await dropLeftovers(base);
      await rm(nodesFolder, { recursive: true, force: true });
    }
    await dropDatabase(base, name);
    const url = await createDatabase(base, name);
    const version = await ask(url, 'SHOW server_version');
    return new Stack(url, version, name, server, progress);
  }

  /** Undone in reverse order when the stack is closed. */
  onClose(work: () => Promise<void>): void {
    this.#closing.push(work);
  }

  async writer(log: string, options: { readonly synchronousCommit?: boolean } = {}): Promise<LogWriter> {
    const writer = await openLogWriter({ url: this.url, log, create: { partitions }, ...options });
    this.onClose(() => writer.close());
    return writer;
  }

  async client(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => undefined);
    await client.connect();
    this.onClose(() => client.end());
    return client;
  }

  /** Module paths are relative to the checkout. */
  async pair(options: Pick<PairOptions, 'apps' | 'nodes' | 'settings' | 'nodeFlags'>): Promise<Pair> {
    const folder = path.join(nodesFolder, this.#name);
    await mkdir(folder, { recursive: true });
    const pair = await Pair.create({ ...options, name: 'bench', root, folder, databaseUrl: this.url });
    this.onClose(() => pair.kill());
    this.progress(`logs of the nodes: ${path.relative(process.cwd(), folder)}`);
    return pair;
  }

  async close(): Promise<void> {
    for (const work of this.#closing.splice(0).reverse()) await work().catch(() => undefined);
    await dropDatabase(this.url, this.#name);
    await this.#server?.stop();
  }
}

/** Of runs that were killed; only when no other run can be using the server. */
async function dropLeftovers(url: string): Promise<void> {
  const names = await ask(url, "SELECT string_agg(datname, ',') FROM pg_database WHERE starts_with(datname, 'bench_')");
  for (const name of names.split(',').filter(Boolean)) await dropDatabase(url, name);
}

async function ask(url: string, sql: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<(string | null)[]>({ text: sql, rowMode: 'array' });
    return rows[0]?.[0] ?? '';
  } finally {
    await client.end();
  }
}
