// The lane itself: carries out what control asks for, and holds tasks, readers and publishers together. Where a record
// comes in: processor.ts. Where its outputs wait: the queues in task.ts. What publishes them: publisher-driver.ts.
import { positionFromText, QueueBudget, type Position, type Positions } from '@tandem/pair';
import { toError, type LaneContext, type Timer } from '@tandem/ports';
import { LaneFailure, toLaneFailure } from './failure.ts';
import type { LaneSpec, PositionTexts, ToLane } from './messages.ts';
import { Processor, type OpenSource } from './processor.ts';
import { positionsFromTexts, positionTexts } from './position-texts.ts';
import { PublisherDriver } from './publisher-driver.ts';
import { Releasing } from './releasing.ts';
import { Restoring } from './restoring.ts';
import type { LaneRuntime } from './runtime.ts';
import { SnapshotTaking } from './snapshot-taking.ts';
import { lagOf, statusOf } from './status.ts';
import {
  compileFor,
  connectSystems,
  persist,
  type ConnectedPublisher,
  type ConnectOptions,
  type Systems,
} from './systems.ts';
import { LaneTask, type TaskIdentity } from './task.ts';
import { Waiting } from './waiting.ts';

/** Chunks of a snapshot that control may have sent and we have not put in place. */
const restoreCredit = 4;
/** How often the lag is looked at while nothing arrives and the lane is not in sync. */
const lagLook_ms = 25;
const closeLimit_ms = 1500;

type Open = Extract<ToLane, { type: 'open' }>;

export class Lane {
  readonly #spec: LaneSpec;
  readonly #runtime: LaneRuntime;
  readonly #context: LaneContext;
  readonly #budget: QueueBudget;
  readonly #processor: Processor;
  readonly #waiting: Waiting;
  /** Looked at by what goes on in the background. */
  readonly #life = { stopped: false };
  /** Messages that came before the systems were connected. */
  #early: ToLane[] = [];
  #systems: Systems | undefined;
  #drivers: readonly PublisherDriver[] = [];
  #releasing: Releasing | undefined;
  #tasks: readonly LaneTask[] = [];
  #sources: readonly OpenSource[] = [];
  /** Readers of before a restore, on their way out. */
  readonly #leaving = new Set<Promise<void>>();
  #begun = false;
  #pendingOpen: Open | undefined;
  #restoring: Restoring | undefined;
  #snapshot: SnapshotTaking | undefined;
  #inSync = false;
  #lagTimer: Timer | undefined;
  #trouble: string | undefined;
  #ending: Promise<void> | undefined;

  constructor(spec: LaneSpec, runtime: LaneRuntime) {
    this.#spec = spec;
    this.#runtime = runtime;
    this.#context = {
      pair: spec.pair,
      app: spec.app,
      lane: spec.lane,
      clock: runtime.clock,
      log: (level, message, fields = {}) => {
        runtime.channel.post({ type: 'log', level, message, fields });
      },
    };
    this.#budget = new QueueBudget(spec.queueLimit_bytes);
    this.#waiting = new Waiting(runtime.clock);
    this.#processor = new Processor({
      clock: runtime.clock,
      budget: this.#budget,
      slice_ms: spec.slice_ms,
      defer: (callback) => {
        runtime.defer(callback);
      },
      onSlice: () => {
        for (const driver of this.#drivers) driver.wake();
        this.#lookAtLag();
      },
      sideWork: () => this.#writeSnapshot(),
      fail: (failure) => {
        this.fail(failure);
      },
    });
  }

  /** Loads the app and connects; says `described` when that is done. */
  start(): void {
    this.#start().catch((thrown: unknown) => {
      this.fail(toLaneFailure(thrown, 'internal'));
    });
  }

  receive(message: ToLane): void {
    if (this.#ending !== undefined) return;
    try {
      if (this.#systems === undefined && !mayComeEarly(message)) this.#early.push(message);
      else this.#handle(message);
    } catch (thrown) {
      this.fail(toLaneFailure(thrown, 'internal'));
    }
  }

  /** The lane cannot go on: it stops publishing, then says so, then lets go of everything. */
  fail(failure: LaneFailure): void {
    this.#ending ??= this.#end(() => {
      this.#runtime.channel.post({
        type: 'failed',
        code: failure.code,
        reason: failure.message,
        blame: failure.blame,
        positions: failure.positions,
      });
    });
  }

  async #start(): Promise<void> {
    const topology = compileFor(this.#spec, this.#runtime);
    const systems = await connectSystems(topology, this.#connectOptions());
    if (systems === undefined) return;
    if (this.#life.stopped) {
      await closeSystems(systems);
      return;
    }
    this.#drivers = systems.publishers.map((connected) => this.#createDriver(connected));
    this.#releasing = new Releasing(`${this.#spec.pair}/${this.#spec.app}`, systems.sources, this.#context);
    this.#systems = systems;
    this.#runtime.channel.post({
      type: 'described',
      app: topology.app,
      version: topology.version,
      topologyHash: topology.hash,
      tasks: systems.tasks.map(({ id }) => id),
      allTasks: systems.allTasks.map(({ id }) => id),
      publishers: systems.publishers.map(({ name }) => name),
    });
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.receive(message);
  }

  #handle(message: ToLane): void {
    switch (message.type) {
      case 'start-at':
        this.#startAt(message.positions);
        return;
      case 'resolve-genesis':
        this.#background(this.#resolveGenesis());
        return;
      case 'restore-begin':
        this.#beginRestore();
        return;
      case 'restore-frames':
        this.#restoring?.push(new Uint8Array(message.frames));
        this.#runtime.channel.post({ type: 'restore-credit', credit: 1 });
        return;
      case 'restore-end': {
        const restoring = this.#restoring;
        this.#restoring = undefined;
        if (restoring !== undefined) this.#begin(restoring.finish());
        return;
      }
      case 'open':
        if (this.#begun) this.#open(message);
        else this.#pendingOpen = message;
        return;
      case 'verified':
        this.#driver(message.publisher)?.verified(message.epoch);
        return;
      case 'step-down':
        this.#background(this.#stepDown());
        return;
      case 'trim':
        this.#driver(message.publisher)?.trim(positionsFromTexts(message.positions));
        return;
      case 'follow':
        for (const driver of this.#drivers) this.#background(driver.follow(message.on));
        return;
      case 'snapshot-please':
        this.#takeSnapshot(message.id, message.credit);
        return;
      case 'snapshot-credit':
        if (this.#snapshot?.id !== message.id) return;
        this.#snapshot.addCredit(message.credit);
        this.#processor.wake();
        return;
      case 'snapshot-cancel':
        if (this.#snapshot?.id !== message.id) return;
        this.#snapshot.cancel();
        this.#snapshot = undefined;
        return;
      case 'release':
        this.#releasing?.release(positionsFromTexts(message.positions), this.#tasks);
        return;
      case 'query':
        this.#lookAtLag();
        this.#runtime.channel.post({ type: 'answer', id: message.id, status: this.#status() });
        return;
      case 'close':
        this.#ending ??= this.#end(() => undefined).then(() => {
          this.#runtime.channel.post({ type: 'closed' });
        });
        return;
    }
  }

  #createDriver(connected: ConnectedPublisher): PublisherDriver {
    const { clock, channel } = this.#runtime;
    const limits = { outputs: this.#spec.publishMaxOutputs, size_bytes: this.#spec.publishMaxBytes };
    return new PublisherDriver(connected, limits, {
      clock,
      random: () => this.#runtime.random(),
      post: (message) => {
        channel.post(message);
      },
      fail: (failure) => {
        this.fail(failure);
      },
      onTrimmed: () => {
        if (this.#processor.paused) this.#processor.wake();
      },
    });
  }

  #startAt(positions: PositionTexts): void {
    this.#dropTasks();
    const { tasks } = this.#connected();
    this.#begin(
      tasks.map((identity) => {
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

  async #resolveGenesis(): Promise<void> {
    const { sources, tasks } = this.#connected();
    const positions: Record<string, string> = {};
    for (const { id, source, partition } of tasks) {
      const connected = sources.find(({ use }) => use.source === source);
      if (connected === undefined) continue;
      const { log, use } = connected;
      const position = await persist(this.#connectOptions(), 'source', () => log.resolve(partition, use.startFrom));
      if (position === undefined) return;
      positions[id] = String(position);
    }
    this.#runtime.channel.post({ type: 'genesis', positions });
  }

  #beginRestore(): void {
    this.#dropTasks();
    const { tasks, publishers } = this.#connected();
    this.#restoring = new Restoring({
      tasks,
      layouts: publishers.map(({ layout }) => layout),
      createTask: (identity, start) => this.#createTask(identity, start),
    });
    this.#runtime.channel.post({ type: 'restore-credit', credit: restoreCredit });
  }

  #createTask(identity: TaskIdentity, start: Position): LaneTask {
    const { topology, publishers } = this.#connected();
    return new LaneTask(
      identity,
      topology,
      publishers.map(({ layout }) => layout),
      this.#budget,
      start,
    );
  }

  /** Reads and processes these from now on. */
  #begin(tasks: readonly LaneTask[]): void {
    this.#tasks = tasks;
    this.#begun = true;
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
    this.#sources = this.#connected().sources.flatMap(({ use, log, partitions }): OpenSource[] => {
      const own = tasks.filter(({ identity }) => identity.source === use.source);
      if (own.length === 0) return [];
      const reader = log.read(new Map(own.map((task) => [task.identity.partition, task.position])));
      const byPartition = Array.from({ length: partitions }, (_, partition) =>
        own.find(({ identity }) => identity.partition === partition),
      );
      return [{ source: use.source, reader, tasks: byPartition, batch: undefined }];
    });
    this.#runtime.channel.post({
      type: 'restored',
      positions: positionTexts(tasks.map((task) => [task.identity.id, task.position])),
    });
    this.#processor.setSources(this.#sources);
    this.#lookAtLag();
    const open = this.#pendingOpen;
    this.#pendingOpen = undefined;
    if (open !== undefined) this.#open(open);
  }

  /** Stops reading, and lets go of the state there is. */
  #dropTasks(): void {
    if (this.#drivers.some((driver) => driver.isOn)) {
      throw new LaneFailure('internal', 'asked for other state while publishing: step down first');
    }
    if (this.#snapshot !== undefined) {
      this.#snapshot.cancel();
      this.#runtime.channel.post({ type: 'snapshot-failed', id: this.#snapshot.id, reason: 'its state was replaced' });
      this.#snapshot = undefined;
    }
    this.#restoring?.abandon();
    this.#restoring = undefined;
    this.#begun = false;
    this.#processor.setSources([]);
    for (const { reader } of this.#sources) this.#leave(reader.close());
    this.#sources = [];
    for (const driver of this.#drivers) driver.setTasks([]);
    for (const task of this.#tasks) task.close();
    this.#tasks = [];
    this.#setInSync(false);
  }

  #open(message: Open): void {
    let initialise: Positions | undefined;
    if (message.initialise !== undefined) {
      const own = new Set(this.#tasks.map((task) => task.identity.id));
      initialise = new Map([...positionsFromTexts(message.initialise)].filter(([task]) => own.has(task)));
    }
    for (const driver of this.#drivers) driver.open(message.epoch, initialise);
  }

  async #stepDown(): Promise<void> {
    this.#pendingOpen = undefined;
    await Promise.all(this.#drivers.map((driver) => driver.stop()));
    if (!this.#life.stopped) this.#runtime.channel.post({ type: 'stepped-down' });
  }

  #takeSnapshot(id: number, credit: number): void {
    const refuse = (reason: string): void => {
      this.#runtime.channel.post({ type: 'snapshot-failed', id, reason });
    };
    if (!this.#begun) {
      refuse('there is no state yet');
      return;
    }
    if (this.#snapshot !== undefined) {
      refuse('another snapshot is being taken');
      return;
    }
    const layouts = this.#connected().publishers.map(({ layout }) => layout);
    this.#snapshot = new SnapshotTaking(id, credit, this.#tasks, layouts, {
      clock: this.#runtime.clock,
      post: (message, transfer) => {
        this.#runtime.channel.post(message, transfer);
      },
    });
    this.#processor.wake();
  }

  /** True while there is more to write at once. */
  #writeSnapshot(): boolean {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return false;
    try {
      const progress = snapshot.step();
      if (progress === 'done') this.#snapshot = undefined;
      return progress === 'more';
    } catch (thrown) {
      snapshot.cancel();
      this.#snapshot = undefined;
      this.#runtime.channel.post({ type: 'snapshot-failed', id: snapshot.id, reason: toError(thrown).message });
      return false;
    }
  }

  #lookAtLag(): void {
    if (!this.#begun) return;
    const limit = this.#spec.inSyncLag_inputs;
    this.#setInSync(this.#tasks.every((task) => (lagOf(task, this.#sources) ?? Number.POSITIVE_INFINITY) <= limit));
    if (this.#inSync || this.#lagTimer !== undefined) return;
    // Ends become known, and logs are found empty, without a record that would wake us.
    this.#lagTimer = this.#runtime.clock.after(lagLook_ms, () => {
      this.#lagTimer = undefined;
      this.#lookAtLag();
    });
  }

  #setInSync(inSync: boolean): void {
    if (this.#inSync === inSync) return;
    this.#inSync = inSync;
    this.#runtime.channel.post({ type: 'lag', inSync });
  }

  #status(): ReturnType<typeof statusOf> {
    return statusOf({
      tasks: this.#tasks,
      layouts: this.#systems?.publishers.map(({ layout }) => layout) ?? [],
      sources: this.#sources,
      drivers: this.#drivers,
      processor: this.#processor,
      trouble: this.#trouble,
      inSync: this.#inSync,
      heap_bytes: this.#runtime.heap_bytes(),
    });
  }

  #driver(name: string): PublisherDriver | undefined {
    return this.#drivers.find((driver) => driver.name === name);
  }

  #connected(): Systems {
    if (this.#systems === undefined) throw new Error('not connected yet');
    return this.#systems;
  }

  #connectOptions(): ConnectOptions {
    return {
      spec: this.#spec,
      runtime: this.#runtime,
      context: this.#context,
      waiting: this.#waiting,
      state: this.#life,
      onTrouble: (trouble) => {
        this.#trouble = trouble;
      },
    };
  }

  #background(work: Promise<void>): void {
    work.catch((thrown: unknown) => {
      this.fail(toLaneFailure(thrown, 'internal'));
    });
  }

  #leave(closing: Promise<void>): void {
    const left = closing
      .catch((thrown: unknown) => {
        this.#context.log('warn', `a reader did not close: ${toError(thrown).message}`);
      })
      .finally(() => {
        this.#leaving.delete(left);
      });
    this.#leaving.add(left);
  }

  /** Publishers first; `say` once they are off; then the rest. Nothing waits for ever. */
  async #end(say: () => void): Promise<void> {
    this.#life.stopped = true;
    this.#processor.stop();
    this.#snapshot?.cancel();
    this.#lagTimer?.cancel();
    this.#waiting.wake();
    await Promise.all(this.#drivers.map((driver) => driver.close(closeLimit_ms)));
    say();
    for (const { reader } of this.#sources) this.#leave(reader.close());
    const rest = Promise.allSettled([
      ...this.#leaving,
      this.#releasing?.stop(),
      ...(this.#systems?.sources.map(({ log }) => log.close()) ?? []),
    ]);
    await this.#waiting.within(rest, closeLimit_ms);
    this.#waiting.close();
  }
}

/** What a lane can answer, or must not put off, while it is still connecting. */
function mayComeEarly(message: ToLane): boolean {
  return message.type === 'query' || message.type === 'step-down' || message.type === 'close';
}

async function closeSystems({ sources, publishers }: Systems): Promise<void> {
  await Promise.allSettled([
    ...publishers.map(({ publisher }) => publisher.close()),
    ...sources.map(({ log }) => log.close()),
  ]);
}
