// Everything that runs in a demo, with or without a screen: the systems, two nodes, the inputs, a reader.
import { ArrivalClock, Pair, type Logs } from '@tandem/harness';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { countRecords } from './check.ts';
import { Inputs } from './inputs.ts';
import { apps, inputLogs, outputLogs, partitions } from './logs.ts';
import { openSystems, type StackName, type Systems } from './systems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface StageOptions {
  readonly stack: StackName;
  /** Two demos of different names can run at the same time. */
  readonly name: string;
  /** Begin anew, whatever an earlier run left. */
  readonly reset: boolean;
  /** The servers outlive the demo. */
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
  readonly logs: Logs;
  /** Arrivals of the counter's outputs. */
  readonly clock = new ArrivalClock();
  /** Numbers sent by earlier runs. */
  readonly continuedFrom: number;
  /** The highest number that has come out. */
  counter: number;
  /** Outputs of the counter that came during this run. */
  arrived = 0;
  readonly #options: StageOptions;
  readonly #systems: Systems;
  #inputs: Inputs | undefined;
  #reader: { close(): Promise<void> } | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: StageOptions, systems: Systems, pair: Pair, from: number) {
    this.#options = options;
    this.#systems = systems;
    this.logs = systems.logs;
    this.pair = pair;
    this.continuedFrom = from;
    this.counter = from - 1;
  }

  /** Systems and configuration; nodes and inputs are started by `begin`. */
  static async prepare(options: StageOptions): Promise<Stage> {
    const folder = path.join(root, '.tandem', options.name);
    await mkdir(folder, { recursive: true });
    await takeFolder(folder, options.name);
    let systems: Systems | undefined;
    try {
      systems = await openSystems(path.join(root, '.tandem'), options);
      const { logs, run, databaseUrl, zookeeper } = systems;
      // Made before the nodes start, so that a reader can begin.
      for (const log of [...inputLogs, ...outputLogs]) await logs.create(log, partitions);
      const from = await countRecords(logs, ['numbers']);
      const pair = await Pair.create({
        name: run,
        root,
        folder,
        databaseUrl,
        logs,
        ...(zookeeper !== undefined && { zookeeper }),
        apps,
        ports: options.ports,
        settings: { persistence: { interval: '10s' } },
      });
      return new Stage(options, systems, pair, from);
    } catch (thrown) {
      await systems?.close();
      await leaveFolder(folder);
      throw thrown;
    }
  }

  /** Returns once both nodes are ready and outputs flow. */
  async begin(signal: AbortSignal): Promise<void> {
    const { say, rate_per_s } = this.#options;
    say('starting two nodes');
    for (const id of this.pair.ids) this.pair.start(id);
    this.#reader = await this.logs.watch({
      log: 'counts',
      partitions,
      from: await this.logs.ends('counts', partitions),
      onArrival: ({ at_ms, records }) => {
        this.clock.note(at_ms);
        this.arrived += records.length;
        for (const { value } of records) this.counter = Math.max(this.counter, (JSON.parse(value) as { n: number }).n);
      },
      onFailure: (error) => (this.#failure ??= error),
    });
    await this.pair.ready(120_000, signal);
    this.#inputs = await Inputs.start(this.logs, this.continuedFrom, rate_per_s);
  }

  /** What ended the flow of inputs or outputs, other than a node. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Version of PostgreSQL, which there is on every stack. */
  get postgres(): string {
    return this.#systems.postgres;
  }

  /** Names and versions of what the pair runs on, and how to reach it. */
  get systems(): Pick<Systems, 'described' | 'addresses'> {
    return this.#systems;
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
    await this.#systems.close();
    await leaveFolder(path.join(root, '.tandem', this.#options.name));
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
