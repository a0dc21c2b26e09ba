// Lanes in this thread, on logs and sinks in memory: the same code as in a worker, over a channel of plain calls.
import { Lane, systemClock, type LaneSpec, type ToLane } from '@tandem/lane';
import { asEpoch, type TaskId } from '@tandem/pair';
import type { LaneAdapter } from '@tandem/ports';
import { MemoryLog, MemorySinks, type MemoryPublisher } from '@tandem/simulator';
import { compileApp, type App } from '@tandem/streams';
import { Ear } from './ear.ts';

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
}

/** One app's logs and sinks, and the lanes that run it, on as many nodes as are wanted. */
export class World {
  readonly partitions: number;
  readonly input: MemoryLog;
  readonly outputs: ReadonlyMap<string, MemoryLog>;
  readonly sinks = new MemorySinks({ clock: systemClock, delay_ms: () => 0 });
  readonly lanes: MemoryLane[] = [];
  readonly #options: WorldOptions;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.partitions = options.partitions ?? 2;
    const { pageRecords = 50 } = options;
    const log = (): MemoryLog =>
      new MemoryLog({ clock: systemClock, partitions: this.partitions, delay_ms: () => 0, pageRecords });
    this.input = log();
    this.outputs = new Map(Object.keys(options.app.sinks).map((sink) => [sink, log()]));
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

  /** Every value of a sink, partition by partition. */
  written(sink: string): string[] {
    const log = this.outputs.get(sink);
    if (log === undefined) throw new Error(`no sink ${sink}`);
    const values: string[] = [];
    for (let partition = 0; partition < log.partitions; partition++) {
      const { first, end } = log.bounds(partition);
      for (const { value } of log.slice(partition, first, end - first)) values.push(String(value));
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
    const { app, queueLimit_bytes = 1 << 20, publishMaxOutputs = 100 } = this.#options;
    const use = { adapter: 'memory', system: {} };
    return {
      pair: 'test',
      app: app.name,
      lane,
      lanes,
      sources: Object.keys(app.sources).map((source) => ({ ...use, source, binding: {}, startFrom: 'earliest' })),
      publishers: [
        { ...use, publisher: 'memory', sinks: Object.keys(app.sinks).map((sink) => ({ sink, binding: {} })) },
      ],
      queueLimit_bytes,
      publishMaxOutputs,
      publishMaxBytes: 1 << 20,
      inSyncLag_inputs: 0,
      slice_ms: 5,
    };
  }
}

export class MemoryLane extends Ear {
  readonly world: World;
  /** Those that it made, newest last. */
  readonly publishers: MemoryPublisher[] = [];
  readonly #lane: Lane;
  #queries = 0;
  #closed = false;

  constructor(world: World, spec: LaneSpec, app: App) {
    super();
    this.world = world;
    const adapter: LaneAdapter = {
      name: 'memory',
      createSource: () => Promise.resolve(world.input.connect()),
      createPublisher: (_system, sinks, scope) => {
        const logs = sinks.map(({ sink }) => {
          const log = world.outputs.get(sink);
          if (log === undefined) throw new Error(`no sink ${sink}`);
          return { sink, log };
        });
        const publisher = world.sinks.connect(logs, scope);
        this.publishers.push(publisher);
        return Promise.resolve(publisher);
      },
    };
    this.#lane = new Lane(spec, {
      clock: systemClock,
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
    this.post({
      type: 'start-at',
      positions: { ...Object.fromEntries(allTasks.map((task) => [task, '0'])), ...positions },
    });
    await this.heard('restored');
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

  /** Opens and verifies; resolves when the backlog is published. */
  async goLive(epoch: number, initialise?: Readonly<Record<TaskId, string>>): Promise<void> {
    const from = this.said.length;
    this.post({ type: 'open', epoch: asEpoch(epoch), initialise });
    await this.heard('verify-please', (message) => message.epoch === epoch, from);
    this.verify(epoch);
    await this.heard('live', (message) => message.epoch === epoch, from);
  }

  verify(epoch: number): void {
    this.post({ type: 'verified', publisher: 'memory', epoch: asEpoch(epoch) });
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
    const from = this.said.length;
    this.post({ type: 'restore-begin' });
    for (const frames of chunks) this.post({ type: 'restore-frames', frames });
    this.post({ type: 'restore-end' });
    await this.heard('restored', () => true, from);
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
