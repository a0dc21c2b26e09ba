// Lanes in this thread, on logs and sinks in memory: the same code as in a worker, over a channel of plain calls.
import { Lane, systemClock, type LaneSpec, type ToLane } from '@tandem/lane';
import { asEpoch, type TaskId } from '@tandem/pair';
import type { Clock, LaneAdapter } from '@tandem/ports';
import { MemoryLog, MemorySinks, type MemoryPublisher } from '@tandem/simulator';
import { compileApp, type App } from '@tandem/streams';
import { Ear } from './ear.ts';
import { HeldPublisher, Holds } from './held-publisher.ts';
import { UnfencedPublisher } from './unfenced-publisher.ts';

const killed: Promise<void>[] = [];

/** Killed lanes wait for answers that never come, up to a limit; tests need not. */
export async function everyKilledLaneGone(): Promise<void> {
  await Promise.all(killed);
}

export interface WorldOptions {
  readonly app: App;
  readonly partitions?: number;
  readonly queueLimit_bytes?: number;
  readonly publishMaxOutputs?: number;
  readonly pageRecords?: number;
  readonly slice_ms?: number;
  readonly digest?: LaneSpec['digest'];
  /** Sinks by publisher, each with a system of its own; without it one, `memory`, has them all. */
  readonly publishers?: Readonly<Record<string, readonly string[]>>;
  /** Those publishers (true: all) have a sink without a fence, and publish a few inputs at a time. */
  readonly unfenced?: boolean | readonly string[];
  /** Time limits and intervals of the lanes are so many times shorter. */
  readonly haste?: number;
}

/** One external system that outputs go to. */
export class System {
  readonly sinks = new MemorySinks({ clock: systemClock, delay_ms: () => 0 });
  readonly holds = new Holds();
}

function hasty(haste: number): Clock {
  return {
    now_ms: () => systemClock.now_ms() * haste,
    wall_ms: () => systemClock.wall_ms(),
    after: (delay_ms, callback) => systemClock.after(delay_ms / haste, callback),
  };
}

/** One app's logs and sinks, and the lanes that run it, on as many nodes as are wanted. */
export class World {
  readonly partitions: number;
  readonly input: MemoryLog;
  readonly outputs: ReadonlyMap<string, MemoryLog>;
  readonly publishers: Readonly<Record<string, readonly string[]>>;
  readonly systems: ReadonlyMap<string, System>;
  readonly lanes: MemoryLane[] = [];
  readonly #unfenced: boolean | readonly string[];
  readonly clock: Clock;
  /** Thrown by the next attempts to connect a source or a publisher. */
  readonly connectErrors: Error[] = [];
  readonly #options: WorldOptions;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.partitions = options.partitions ?? 2;
    this.#unfenced = options.unfenced ?? false;
    const { pageRecords = 50 } = options;
    const log = (): MemoryLog =>
      new MemoryLog({ clock: systemClock, partitions: this.partitions, delay_ms: () => 0, pageRecords });
    this.input = log();
    this.outputs = new Map(Object.keys(options.app.sinks).map((sink) => [sink, log()]));
    this.publishers = options.publishers ?? { memory: Object.keys(options.app.sinks) };
    this.systems = new Map(Object.keys(this.publishers).map((name) => [name, new System()]));
    this.clock = options.haste === undefined ? systemClock : hasty(options.haste);
  }

  system(name: string): System {
    const system = this.systems.get(name);
    if (system === undefined) throw new Error(`no publisher ${name}`);
    return system;
  }

  isUnfenced(name: string): boolean {
    return typeof this.#unfenced === 'boolean' ? this.#unfenced : this.#unfenced.includes(name);
  }

  /** The only one there is. */
  get sinks(): MemorySinks {
    return this.system('memory').sinks;
  }

  /** Somebody else opens the publisher of the app 'running', and so fences whoever had it open. */
  openElsewhere(epoch: number): void {
    this.sinks.open({ pair: 'test', app: 'running', lane: 0, lanes: 1, tasks: [] }, asEpoch(epoch), undefined);
  }

  feed(partition: number, values: readonly unknown[], key = 'k'): void {
    this.input.append(
      partition,
      values.map((value) => ({
        key: Buffer.from(key),
        value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
        timestamp_ms: 0,
      })),
    );
  }

  /** Every value of a sink, partition by partition; of one key only, where one is named. */
  written(sink: string, ofKey?: string): string[] {
    const log = this.outputs.get(sink);
    if (log === undefined) throw new Error(`no sink ${sink}`);
    const values: string[] = [];
    for (let partition = 0; partition < log.partitions; partition++) {
      const { first, end } = log.bounds(partition);
      for (const { key, value } of log.slice(partition, first, end - first)) {
        if (ofKey === undefined || String(key) === ofKey) values.push(String(value));
      }
    }
    return values;
  }

  start(options: { readonly lane?: number; readonly lanes?: number } = {}): MemoryLane {
    const lane = new MemoryLane(this, this.#spec(options.lane ?? 0, options.lanes ?? 1), this.#options.app);
    this.lanes.push(lane);
    return lane;
  }

  async close(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.close()));
  }

  #spec(lane: number, lanes: number): LaneSpec {
    const { app, queueLimit_bytes = 1 << 20, publishMaxOutputs = 100, slice_ms = 5 } = this.#options;
    const { digest = { every_inputs: 10, interval_ms: 1_000 } } = this.#options;
    const use = { adapter: 'memory', system: {} };
    return {
      pair: 'test',
      app: app.name,
      lane,
      lanes,
      sources: Object.keys(app.sources).map((source) => ({ ...use, source, binding: {}, startFrom: 'earliest' })),
      publishers: Object.entries(this.publishers).map(([publisher, sinks]) => ({
        adapter: 'memory',
        system: { publisher },
        publisher,
        sinks: sinks.map((sink) => ({ sink, binding: {} })),
      })),
      queueLimit_bytes,
      publishMaxOutputs,
      publishMaxBytes: 1 << 20,
      inSyncLag_inputs: 0,
      slice_ms,
      digest,
    };
  }
}

export class MemoryLane extends Ear {
  readonly world: World;
  /** Those that it made, newest last. */
  readonly publishers: MemoryPublisher[] = [];
  readonly #lane: Lane;
  #queries = 0;
  #runs = 0;
  #closed = false;

  constructor(world: World, spec: LaneSpec, app: App) {
    super();
    this.world = world;
    const adapter: LaneAdapter = {
      name: 'memory',
      createSource: () => {
        const error = world.connectErrors.shift();
        return error === undefined ? Promise.resolve(world.input.connect()) : Promise.reject(error);
      },
      createPublisher: (system, sinks, scope) => {
        const error = world.connectErrors.shift();
        if (error !== undefined) return Promise.reject(error);
        const logs = sinks.map(({ sink }) => {
          const log = world.outputs.get(sink);
          if (log === undefined) throw new Error(`no sink ${sink}`);
          return { sink, log };
        });
        const name = (system as { publisher: string }).publisher;
        const { sinks: service, holds } = world.system(name);
        const publisher = service.connect(logs, scope);
        this.publishers.push(publisher);
        const held = new HeldPublisher(publisher, holds);
        return Promise.resolve(world.isUnfenced(name) ? new UnfencedPublisher(held, holds) : held);
      },
    };
    this.#lane = new Lane(spec, {
      clock: world.clock,
      channel: {
        post: (message) => {
          this.hear(message);
        },
      },
      adapters: [adapter],
      compile: () => compileApp(app),
      defer: (callback) => {
        setImmediate(callback);
      },
      random: () => 0.5,
      heap_bytes: () => 0,
    });
    this.#lane.start();
  }

  post(message: ToLane): void {
    this.#lane.receive(message);
  }

  /** Reads from these positions, or from 0, with empty state. */
  async startAt(positions: Readonly<Record<TaskId, string>> = {}): Promise<void> {
    const { allTasks } = await this.heard('described');
    const run = ++this.#runs;
    this.post({
      type: 'start-at',
      run,
      positions: { ...Object.fromEntries(allTasks.map((task) => [task, '0'])), ...positions },
    });
    await this.heard('restored', (message) => message.run === run);
  }

  /** Until every input there is now has been applied. */
  async caughtUp(): Promise<void> {
    for (;;) {
      const tasks = (await this.status()).tasks;
      if (tasks.every((task) => Number(task.position) === this.world.input.bounds(partitionOf(task.task)).end)) return;
      await new Promise(setImmediate);
    }
  }

  async status(): Promise<Awaited<ReturnType<MemoryLane['answer']>>> {
    return await this.answer();
  }

  async answer() {
    const id = ++this.#queries;
    this.post({ type: 'query', id });
    return (await this.heard('answer', (message) => message.id === id)).status;
  }

  open(epoch: number, initialise?: Readonly<Record<TaskId, string>>, unfencedFrom_ms?: number): void {
    this.post({ type: 'open', epoch: asEpoch(epoch), initialise, unfencedFrom_ms });
  }

  /** Opens and verifies every publisher; resolves when the backlog is published. */
  async goLive(epoch: number, initialise?: Readonly<Record<TaskId, string>>): Promise<void> {
    const from = this.said.length;
    this.open(epoch, initialise);
    await Promise.all(
      Object.keys(this.world.publishers).map(async (name) => {
        const isOurs = (message: { readonly publisher: string; readonly epoch: number }): boolean =>
          message.publisher === name && message.epoch === epoch;
        await this.heard('verify-please', isOurs, from);
        this.verify(epoch, name);
        await this.heard('live', isOurs, from);
      }),
    );
  }

  verify(epoch: number, publisher = 'memory'): void {
    this.post({ type: 'verified', publisher, epoch: asEpoch(epoch) });
  }

  async stepDown(): Promise<void> {
    const from = this.said.length;
    this.post({ type: 'step-down' });
    await this.heard('stepped-down', () => true, from);
  }

  /** The frames of a snapshot taken now. */
  async snapshot(id = 1): Promise<ArrayBuffer[]> {
    this.post({ type: 'snapshot-please', id, credit: 1 });
    let given = 0;
    await this.until(() => {
      const got = this.all('snapshot-chunk').filter((message) => message.id === id).length;
      for (; given < got; given++) this.post({ type: 'snapshot-credit', id, credit: 1 });
      return this.said.some((message) => message.type === 'snapshot-end' && message.id === id);
    }, 'snapshot-end');
    return this.all('snapshot-chunk')
      .filter((message) => message.id === id)
      .map(({ frames }) => frames);
  }

  async restore(chunks: readonly ArrayBuffer[]): Promise<void> {
    await this.heard('described');
    const run = ++this.#runs;
    this.post({ type: 'restore-begin', run });
    for (const frames of chunks) this.post({ type: 'restore-frames', frames });
    this.post({ type: 'restore-end' });
    await this.heard('restored', (message) => message.run === run);
  }

  /** As when its process is killed: what it sent may still arrive, nothing is answered. */
  kill(): void {
    for (const publisher of this.publishers) publisher.kill();
    killed.push(this.close());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.post({ type: 'close' });
    await this.until(() => this.all('closed').length + this.all('failed').length > 0, 'closed');
  }
}

function partitionOf(task: TaskId): number {
  return Number(task.slice(task.indexOf('/') + 1));
}
