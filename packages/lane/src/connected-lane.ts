// A lane whose app is loaded and whose systems are connected: carries out what control asks for, and holds tasks,
// readers and publishers together. Where a record comes in: processor.ts. Where its outputs wait: the queues in task.ts.
// What publishes them: publisher-driver.ts.
import { positionFromText, QueueBudget, type Position, type Positions } from '@tandem/pair';
import { toError } from '@tandem/ports';
import { Digests } from './digests.ts';
import { LaneFailure, toLaneFailure } from './failure.ts';
import { LagWatch } from './lag-watch.ts';
import type { FromLane, LaneStatus, PositionTexts, ToLane } from './messages.ts';
import { positionsFromTexts, positionTexts } from './position-texts.ts';
import { Processor, type OpenSource } from './processor.ts';
import { PublisherDriver } from './publisher-driver.ts';
import { Releasing } from './releasing.ts';
import { Restoring } from './restoring.ts';
import { Snapshots } from './snapshots.ts';
import { statusOf } from './status.ts';
import { persist, type ConnectOptions, type Systems } from './systems.ts';
import { LaneTask, type PublisherLayout, type TaskIdentity, type TaskSetting } from './task.ts';
import { TrimLagHistogram } from './trim-lag.ts';

/** Chunks of a snapshot that control may have sent and we have not put in place. */
const restoreCredit = 4;
const closeLimit_ms = 1500;

type Open = Extract<ToLane, { type: 'open' }>;

export class ConnectedLane {
  readonly #systems: Systems;
  readonly #options: ConnectOptions;
  readonly #fail: (failure: LaneFailure) => void;
  readonly #layouts: readonly PublisherLayout[];
  readonly #budget: QueueBudget;
  readonly #processor: Processor;
  readonly #drivers: readonly PublisherDriver[];
  readonly #releasing: Releasing;
  readonly #snapshots: Snapshots;
  readonly #lag: LagWatch;
  readonly #digests: Digests;
  readonly #trimLag = new TrimLagHistogram();
  readonly #setting: TaskSetting;
  /** Undefined while there is no state. */
  #tasks: readonly LaneTask[] | undefined;
  #sources: readonly OpenSource[] = [];
  #restoring: Restoring | undefined;
  /** Which of control's beginnings the state there is, or the one being put in place, comes from. */
  #run = 0;
  /** Came before there was state. */
  #pendingOpen: Open | undefined;
  /** Readers of before a restore, on their way out. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(systems: Systems, options: ConnectOptions, fail: (failure: LaneFailure) => void) {
    const { spec, runtime, context } = options;
    const { clock } = runtime;
    this.#systems = systems;
    this.#options = options;
    this.#fail = fail;
    this.#layouts = systems.publishers.map(({ layout }) => layout);
    this.#budget = new QueueBudget(spec.queueLimit_bytes);
    this.#releasing = new Releasing(`${spec.pair}/${spec.app}`, systems.sources, context);
    this.#snapshots = new Snapshots({
      clock,
      post: (message, transfer) => {
        this.#post(message, transfer);
      },
    });
    this.#lag = new LagWatch(clock, spec.inSyncLag_inputs, (inSync) => {
      this.#post({ type: 'lag', inSync });
    });
    this.#digests = new Digests(clock, spec.digest.interval_ms, (digests) => {
      this.#post({ type: 'digests', run: this.#run, digests });
    });
    this.#setting = {
      topology: systems.topology,
      layouts: this.#layouts,
      budget: this.#budget,
      digestEvery_inputs: spec.digest.every_inputs,
      onDigest: (digest) => {
        this.#digests.add(digest);
      },
    };
    this.#processor = new Processor({
      clock,
      budget: this.#budget,
      slice_ms: spec.slice_ms,
      defer: (callback) => {
        runtime.defer(callback);
      },
      onSlice: () => {
        for (const driver of this.#drivers) driver.wake();
        this.#lag.look();
        this.#digests.send();
      },
      sideWork: () => this.#snapshots.step(),
      fail,
    });
    this.#drivers = this.#createDrivers();
  }

  handle(message: ToLane): void {
    switch (message.type) {
      case 'start-at':
        this.#startAt(message.run, message.positions);
        return;
      case 'resolve-genesis':
        this.#background(this.#resolveGenesis());
        return;
      case 'restore-begin':
        this.#beginRestore(message.run);
        return;
      case 'restore-frames':
        this.#restoring?.push(new Uint8Array(message.frames));
        this.#post({ type: 'restore-credit', run: this.#run, credit: 1 });
        return;
      case 'restore-end':
        this.#endRestore();
        return;
      case 'open':
        if (this.#tasks === undefined) this.#pendingOpen = message;
        else this.#open(message, this.#tasks);
        return;
      case 'authority':
        for (const driver of this.#drivers) driver.authorityUntil(message.until_ms);
        return;
      case 'verified':
        this.#driver(message.publisher)?.verified(message.epoch);
        return;
      case 'step-down':
        this.#background(this.#stepDown());
        return;
      case 'hold':
        for (const driver of this.#drivers) driver.hold(message.limit_ms);
        return;
      case 'trim':
        this.#driver(message.publisher)?.trim(positionsFromTexts(message.positions), message.since_ms);
        return;
      case 'follow':
        for (const driver of this.#drivers) this.#background(driver.follow(message.on));
        return;
      case 'snapshot-please':
        this.#snapshots.take(message.id, message.credit, this.#tasks, this.#layouts);
        this.#processor.wake();
        return;
      case 'snapshot-credit':
        this.#snapshots.addCredit(message.id, message.credit);
        this.#processor.wake();
        return;
      case 'snapshot-cancel':
        this.#snapshots.cancel(message.id);
        return;
      case 'release':
        this.#releasing.release(positionsFromTexts(message.positions), this.#tasks ?? []);
        return;
      case 'query':
        this.#lag.look();
        this.#post({ type: 'answer', id: message.id, status: this.#status() });
        return;
      case 'close':
        // The lane's own affair.
        return;
    }
  }

  /** The end begins: nothing is processed any more, and nothing published once it has resolved. */
  async switchOff(): Promise<void> {
    this.#processor.stop();
    this.#snapshots.stop();
    this.#lag.stop();
    this.#digests.watch([]);
    await Promise.all(this.#drivers.map((driver) => driver.close(closeLimit_ms)));
  }

  /** Lets go of everything else; nothing waits for ever. */
  async close(): Promise<void> {
    this.#closeReaders();
    const rest = Promise.allSettled([
      ...this.#leaving,
      this.#releasing.stop(),
      ...this.#systems.sources.map(({ log }) => log.close()),
    ]);
    await this.#options.waiting.within(rest, closeLimit_ms);
  }

  #createDrivers(): PublisherDriver[] {
    const { spec, runtime } = this.#options;
    const limits = { outputs: spec.publishMaxOutputs, size_bytes: spec.publishMaxBytes };
    const host = {
      clock: runtime.clock,
      trimLag: this.#trimLag,
      random: () => runtime.random(),
      post: (message: FromLane) => {
        this.#post(message);
      },
      fail: this.#fail,
      onTrimmed: () => {
        if (this.#processor.paused) this.#processor.wake();
      },
    };
    return this.#systems.publishers.map((connected) => new PublisherDriver(connected, limits, host));
  }

  async #resolveGenesis(): Promise<void> {
    const { sources, tasks } = this.#systems;
    const positions: Record<string, string> = {};
    for (const { id, source, partition } of tasks) {
      const connected = sources.find(({ use }) => use.source === source);
      if (connected === undefined) continue;
      const { log, use } = connected;
      const position = await persist(this.#options, 'source', () => log.resolve(partition, use.startFrom));
      if (position === undefined) return;
      positions[id] = String(position);
    }
    this.#post({ type: 'genesis', positions });
  }

  #startAt(run: number, positions: PositionTexts): void {
    this.#dropTasks();
    this.#run = run;
    this.#begin(
      this.#systems.tasks.map((identity) => {
        const text = positions[identity.id];
        if (text === undefined) {
          throw new LaneFailure(
            'input-gap',
            `no position to begin at is recorded for ${identity.id}; partitions cannot be added to a source: stop both nodes and reset the app`,
            { blame: 'user' },
          );
        }
        return this.#createTask(identity, positionFromText(text));
      }),
    );
  }

  #beginRestore(run: number): void {
    this.#dropTasks();
    this.#run = run;
    this.#restoring = new Restoring({
      tasks: this.#systems.tasks,
      layouts: this.#layouts,
      createTask: (identity, start) => this.#createTask(identity, start),
    });
    this.#post({ type: 'restore-credit', run, credit: restoreCredit });
  }

  #endRestore(): void {
    const restoring = this.#restoring;
    this.#restoring = undefined;
    if (restoring !== undefined) this.#begin(restoring.finish());
  }

  #createTask(identity: TaskIdentity, start: Position): LaneTask {
    return new LaneTask(identity, this.#setting, start);
  }

  /** Reads and processes these from now on. */
  #begin(tasks: readonly LaneTask[]): void {
    this.#tasks = tasks;
    for (const [index, driver] of this.#drivers.entries()) {
      driver.setTasks(
        tasks.flatMap((task) => {
          const queue = task.queues[index];
          if (queue === undefined) return [];
          const published = (position: Position): void => {
            task.published[index] = position;
          };
          return [{ id: task.identity.id, queue, published }];
        }),
      );
    }
    this.#sources = this.#systems.sources.flatMap(({ use, log, partitions }): OpenSource[] => {
      const own = tasks.filter(({ identity }) => identity.source === use.source);
      if (own.length === 0) return [];
      const reader = log.read(new Map(own.map((task) => [task.identity.partition, task.position])));
      const byPartition = Array.from({ length: partitions }, (_, partition) =>
        own.find(({ identity }) => identity.partition === partition),
      );
      return [{ source: use.source, reader, tasks: byPartition, batch: undefined }];
    });
    const positions = positionTexts(tasks.map((task) => [task.identity.id, task.position]));
    this.#post({ type: 'restored', run: this.#run, positions });
    this.#processor.setSources(this.#sources);
    this.#lag.watch(tasks, this.#sources);
    if (this.#setting.digestEvery_inputs > 0) this.#digests.watch(tasks);
    const open = this.#pendingOpen;
    this.#pendingOpen = undefined;
    if (open !== undefined) this.#open(open, tasks);
  }

  /** Stops reading, and lets go of the state there is. */
  #dropTasks(): void {
    if (this.#drivers.some((driver) => driver.isOn)) {
      throw new LaneFailure('internal', 'asked for other state while publishing: step down first');
    }
    this.#snapshots.giveUp('its state was replaced');
    this.#digests.watch([]);
    this.#restoring?.abandon();
    this.#restoring = undefined;
    this.#processor.setSources([]);
    this.#closeReaders();
    this.#sources = [];
    for (const driver of this.#drivers) driver.setTasks([]);
    for (const task of this.#tasks ?? []) task.close();
    this.#tasks = undefined;
    this.#lag.watch(undefined, []);
  }

  #open({ epoch, initialise, unfencedFrom_ms }: Open, tasks: readonly LaneTask[]): void {
    let own: Positions | undefined;
    if (initialise !== undefined) {
      const ids = new Set(tasks.map((task) => task.identity.id));
      own = new Map([...positionsFromTexts(initialise)].filter(([task]) => ids.has(task)));
    }
    for (const driver of this.#drivers) driver.open({ epoch, initialise: own, unfencedFrom_ms });
  }

  async #stepDown(): Promise<void> {
    this.#pendingOpen = undefined;
    await Promise.all(this.#drivers.map((driver) => driver.stop()));
    if (!this.#options.state.stopped) this.#post({ type: 'stepped-down' });
  }

  #status(): LaneStatus {
    return statusOf({
      tasks: this.#tasks ?? [],
      layouts: this.#layouts,
      sources: this.#sources,
      drivers: this.#drivers,
      processor: this.#processor,
      trouble: this.#options.trouble(),
      inSync: this.#lag.inSync,
      heap_bytes: this.#options.runtime.heap_bytes(),
      trimLag: this.#trimLag.value,
    });
  }

  #driver(name: string): PublisherDriver | undefined {
    return this.#drivers.find((driver) => driver.name === name);
  }

  #post(message: FromLane, transfer?: readonly ArrayBuffer[]): void {
    this.#options.runtime.channel.post(message, transfer);
  }

  #background(work: Promise<void>): void {
    work.catch((thrown: unknown) => {
      this.#fail(toLaneFailure(thrown, 'internal'));
    });
  }

  #closeReaders(): void {
    for (const { reader } of this.#sources) {
      const left = reader
        .close()
        .catch((thrown: unknown) => {
          this.#options.context.log('warn', `a reader did not close: ${toError(thrown).message}`);
        })
        .finally(() => {
          this.#leaving.delete(left);
        });
      this.#leaving.add(left);
    }
  }
}
