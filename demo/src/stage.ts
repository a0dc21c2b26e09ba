// Everything that runs in a demo, with or without a screen: the database, two nodes, the inputs, a reader.
import { createDatabase, dropDatabase, startEmbedded, type EmbeddedServer } from '@tandem/embedded';
import { ArrivalClock, LogReader, Pair } from '@tandem/harness';
import { openLogWriter } from '@tandem/postgres';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { countRecords } from './check.ts';
import { Inputs } from './inputs.ts';
import { apps, inputLogs, outputLogs, partitions } from './logs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface StageOptions {
  /** Two demos of different names can run at the same time. */
  readonly name: string;
  /** Begin anew, whatever an earlier run left. */
  readonly reset: boolean;
  /** The database server outlives the demo. */
  readonly keep: boolean;
  readonly rate_per_s: number;
  readonly ports: Readonly<Record<string, number>>;
  readonly say: (line: string) => void;
}

/** Something that a person has to put right first. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

export class Stage {
  readonly pair: Pair;
  readonly client: pg.Client;
  readonly url: string;
  readonly postgres: string;
  /** Arrivals of the counter's outputs. */
  readonly clock = new ArrivalClock();
  /** Numbers sent by earlier runs. */
  readonly continuedFrom: number;
  /** The highest number that has come out. */
  counter: number;
  /** Outputs of the counter that came during this run. */
  arrived = 0;
  readonly #options: StageOptions;
  readonly #server: EmbeddedServer | undefined;
  #inputs: Inputs | undefined;
  #reader: LogReader | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: StageOptions,
    parts: {
      pair: Pair;
      client: pg.Client;
      url: string;
      postgres: string;
      from: number;
      server: EmbeddedServer | undefined;
    },
  ) {
    this.#options = options;
    this.pair = parts.pair;
    this.client = parts.client;
    this.url = parts.url;
    this.postgres = parts.postgres;
    this.continuedFrom = parts.from;
    this.counter = parts.from - 1;
    this.#server = parts.server;
  }

  /** Database and configuration; nodes and inputs are started by `begin`. */
  static async prepare(options: StageOptions): Promise<Stage> {
    const folder = path.join(root, '.tandem', options.name);
    await mkdir(folder, { recursive: true });
    await takeFolder(folder, options.name);
    let server: EmbeddedServer | undefined;
    try {
      const given = process.env['DATABASE_URL'];
      if (given === undefined) {
        options.say('starting PostgreSQL');
        server = await startEmbedded({ dataDir: path.join(root, '.tandem', 'demo'), keepRunning: options.keep });
      }
      const base = server?.url ?? given ?? '';
      const database = `tandem_${options.name.replaceAll('-', '_')}`;
      if (options.reset) await dropDatabase(base, database);
      const url = await createDatabase(base, database);
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => undefined);
      await client.connect();
      const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
      const from = await countRecords(client, ['numbers']);
      // Made before the nodes start, so that a reader can begin.
      for (const log of [...inputLogs, ...outputLogs]) {
        await (await openLogWriter({ url, log, create: { partitions } })).close();
      }
      const pair = await Pair.create({
        name: 'demo',
        root,
        folder,
        databaseUrl: url,
        apps,
        ports: options.ports,
        settings: { persistence: { interval: '10s' } },
      });
      return new Stage(options, { pair, client, url, postgres: rows[0]?.server_version ?? '', from, server });
    } catch (thrown) {
      await server?.stop();
      await leaveFolder(folder);
      throw thrown;
    }
  }

  /** Returns once both nodes are ready and outputs flow. */
  async begin(signal: AbortSignal): Promise<void> {
    const { say, rate_per_s } = this.#options;
    say('starting two nodes');
    for (const id of this.pair.ids) this.pair.start(id);
    const next = await this.#heads('counts');
    this.#reader = await LogReader.open(
      {
        url: this.url,
        log: 'counts',
        partitions,
        onArrival: ({ at_ms, records }) => {
          this.clock.note(at_ms);
          this.arrived += records.length;
          for (const { value } of records)
            this.counter = Math.max(this.counter, (JSON.parse(value) as { n: number }).n);
        },
        onFailure: (error) => (this.#failure ??= error),
      },
      next,
    );
    await this.pair.ready(120_000, signal);
    this.#inputs = await Inputs.start(this.url, this.continuedFrom, rate_per_s);
  }

  /** What ended the flow of inputs or outputs, other than a node. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get sent(): number {
    return this.#inputs?.sent ?? 0;
  }

  async stopInputs(): Promise<void> {
    const inputs = this.#inputs;
    this.#inputs = undefined;
    const failure = await inputs?.stop();
    if (failure !== undefined) throw failure;
  }

  /** Ends everything that was started, by its pid. Safe to call again. */
  close(options: { readonly force?: boolean } = {}): Promise<void> {
    if (options.force === true) for (const id of this.pair.ids) this.pair.signal(id, 'SIGKILL');
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.stopInputs().catch(() => undefined);
    await this.#reader?.close();
    await this.pair.stop(5000);
    await this.client.end().catch(() => undefined);
    if (!this.#options.keep) await this.#server?.stop();
    await leaveFolder(path.join(root, '.tandem', this.#options.name));
  }

  async #heads(log: string): Promise<readonly number[]> {
    const { rows } = await this.client.query<{ next: string }>(
      'SELECT next FROM tandem.head WHERE log = $1 ORDER BY partition',
      [log],
    );
    return rows.map((row) => Number(row.next));
  }
}

/** One demo of a name at a time: the second would take the first one's nodes for leftovers. */
async function takeFolder(folder: string, name: string): Promise<void> {
  const file = path.join(folder, 'running');
  const holder = Number(await readFile(file, 'utf8').catch(() => '0'));
  if (holder > 0 && !isAlive(holder)) await rm(file, { force: true });
  try {
    await writeFile(file, process.pid.toString(), { flag: 'wx' });
  } catch (cause) {
    throw new DemoError(
      `a demo runs already (process ${holder.toString()}). Quit that one, delete .tandem/${name}/running if there is none, or choose another --name`,
      { cause },
    );
  }
}

async function leaveFolder(folder: string): Promise<void> {
  await rm(path.join(folder, 'running'), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
