// One node of a simulated pair, over all its runs: its process, what it is connected to, and what faults do to it.
import {
  startNode,
  type AppOptions,
  type NodeDoors,
  type NodeHandle,
  type NodeLog,
  type NodeParts,
} from '@tandem/control';
import type { FromLane, LaneSpec, LaneStatus } from '@tandem/lane';
import type { Epoch, NodeId } from '@tandem/pair';
import { toError, type Clock, type LaneAdapter } from '@tandem/ports';
import { compileApp, type App } from '@tandem/streams';
import { UnfencedMemoryPublisher } from '../unfenced-publisher.ts';
import { SimulatedProcess, type VirtualTime } from '../virtual-time.ts';
import type { History } from './history.ts';
import { LaneThreads } from './lane-threads.ts';
import { unfencedSinks, type Flaw } from './apps.ts';
import { goodWay, Line, safeCrossing, type Crossing, type Way } from './lines.ts';
import { addressOf, NodeNetwork, type Net } from './network.ts';
import type { Random } from './random.ts';
import type { Scenario } from './scenario.ts';
import type { Services } from './services.ts';

export const serviceNames = ['coordinator', 'store', 'sinks', 'log'] as const;
export type ServiceName = (typeof serviceNames)[number];

export interface NodeWorld {
  readonly time: VirtualTime;
  readonly scenario: Scenario;
  readonly history: History;
  readonly net: Net;
  readonly services: Services;
  /** As they run on a node with that flaw. */
  apps(flaw: Flaw): readonly App[];
  onFromLane(app: string, lane: number, message: FromLane): void;
  /** A run of a node says that it holds an epoch. */
  onHolding(run: string, epoch: Epoch): void;
  /** A node has found that its state is not the active's. */
  onDiverged(node: NodeId): void;
  /** Our own mistake: an exception that would end the process. */
  onCrash(node: NodeId, error: Error): void;
}

/** Strikes when so many more messages have crossed. */
export interface Trap {
  messages: number;
  readonly isAfter: boolean;
  /** `process`: whose message it is, a lane's thread or the node's own. */
  spring(process: SimulatedProcess): void;
}

/** How long whatever watches over the process waits before it starts it again. */
const restart_ms = 100;

interface Run {
  readonly process: SimulatedProcess;
  readonly network: NodeNetwork;
  readonly threads: LaneThreads;
  handle: NodeHandle | undefined;
  /** What its lanes answered last, by app and lane. */
  readonly statuses: Map<string, Map<number, LaneStatus>>;
}

export class SimulatedNode {
  readonly id: NodeId;
  readonly ways: Readonly<Record<ServiceName, { readonly there: Way; readonly back: Way }>>;
  trap: Trap | undefined;
  readonly flaw: Flaw = { isDue: false };
  readonly #world: NodeWorld;
  readonly #rate: number;
  readonly #random: Random;
  #runs = 0;
  #run: Run | undefined;
  #wallOffset_ms: number;
  /** Nobody starts it again until then. */
  #downUntil_ms = 0;

  constructor(id: NodeId, world: NodeWorld, rate: number, random: Random) {
    this.id = id;
    this.#world = world;
    this.#rate = rate;
    this.#random = random;
    this.#wallOffset_ms = random.between(-50, 50);
    const { lateShare } = world.scenario;
    const way = () => ({ there: goodWay(lateShare), back: goodWay(lateShare) });
    this.ways = { coordinator: way(), store: way(), sinks: way(), log: way() };
  }

  get isRunning(): boolean {
    return this.#run?.process.state === 'running';
  }

  get process(): SimulatedProcess | undefined {
    return this.#run?.process;
  }

  get threads(): LaneThreads | undefined {
    return this.#run?.threads;
  }

  /** What it says of itself; undefined while it has no doors. */
  get doors(): NodeDoors | undefined {
    return this.#run?.process.state === 'running' ? this.#run.network.doors : undefined;
  }

  /** In its last lane reports. */
  queued_bytes(app: string): number {
    const lanes = this.#run?.statuses.get(app)?.values() ?? [];
    let sum = 0;
    for (const { tasks } of lanes) for (const task of tasks) sum += task.queued_bytes;
    return sum;
  }

  start(): void {
    const { time, history, scenario } = this.#world;
    if (this.#run !== undefined || time.now_ms() < this.#downUntil_ms) return;
    this.#runs++;
    const random = this.#random.of(`run ${String(this.#runs)}`);
    const apps = this.#world.apps(this.flaw);
    const wall_ms = epoch_ms + time.now_ms() + this.#wallOffset_ms;
    const process = new SimulatedProcess(time, { wall_ms, rate: this.#rate });
    const crossing = this.#crossing();
    const network = new NodeNetwork(this.#world.net, this.id, process, crossing, random.of('network'));
    const statuses: Run['statuses'] = new Map();
    const threads = new LaneThreads({
      process,
      crossing,
      random: random.of('lanes'),
      apps,
      adapters: (thread) => this.#adapters(thread, crossing, random),
      onFromLane: (app, lane, message) => {
        if (message.type === 'answer') {
          const lanes = statuses.get(app) ?? new Map<number, LaneStatus>();
          statuses.set(app, lanes.set(lane, message.status));
        }
        this.#world.onFromLane(app, lane, message);
      },
    });
    const run: Run = { process, network, threads, handle: undefined, statuses };
    this.#run = run;
    process.onThrown = (thrown) => {
      this.#world.onCrash(this.id, toError(thrown));
      this.kill(restart_ms);
    };
    history.note(this.id, `starts, run ${String(this.#runs)}`);
    const line = (service: ServiceName): Line =>
      new Line(process, this.ways[service], crossing, random.of(`${service} line`));
    const { services } = this.#world;
    const parts = this.#parts(run, random);
    startNode(
      {
        pair: 'pair',
        node: { id: this.id, listen: { host: this.id, port: 0 }, advertise: addressOf(this.id), token: undefined },
        coordinator: services.coordination.connect(line('coordinator')),
        store: services.revisions.open(process, line('store')),
        apps: apps.map((app) => appOptions(app, scenario)),
        stateSync: { live: scenario.liveSync, retry_ms: 500, grace_ms: 1_000 },
        outputSync: { interval_ms: 100 },
        persistence: scenario.persistence,
        link: { ping_ms: scenario.sessionTimeout_ms / 8 },
        switchover: { limit_ms: 300 },
        lane: { answerLimit_ms: 1_500, restartBackoff_ms: 20, maxRestarts: 3 },
        clock: process,
        log: this.#log(process),
      },
      parts,
    ).then(
      (handle) => {
        run.handle = handle;
        void handle.ended.then((end) => {
          this.#exited(run, `${end.blame === 'none' ? 'ends' : 'gives up'}: ${end.detail}`);
        });
      },
      (thrown: unknown) => {
        this.#exited(run, `could not start: ${toError(thrown).message}`);
      },
    );
  }

  /** As by SIGKILL; started again after that long. */
  kill(down_ms: number): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    this.trap = undefined;
    this.#world.history.note(this.id, 'is killed');
    run.process.kill();
    run.network.breakOff();
    this.#startAgain(down_ms);
  }

  /** As by SIGTERM. */
  terminate(down_ms: number): void {
    const handle = this.#run?.handle;
    if (handle === undefined) {
      this.kill(down_ms);
      return;
    }
    this.#downUntil_ms = this.#world.time.now_ms() + down_ms;
    void handle.stop();
  }

  pause(for_ms: number): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#world.history.note(this.id, `is stopped for ${for_ms.toFixed(0)} ms`);
    run.process.pause();
    this.#world.time.after(for_ms, () => {
      if (run.process.state !== 'paused') return;
      this.#world.history.note(this.id, 'is continued');
      run.process.resume();
    });
  }

  /** A lane ends by itself, as when it aborts: that whose thread it is, or any. */
  killLane(pick: Random, thread?: SimulatedProcess): void {
    const lane = this.#run?.threads.find(pick, thread);
    if (lane === undefined) return;
    this.#world.history.note(this.id, 'loses a lane');
    lane.die();
  }

  /** A lane's thread does nothing for a while; the node's own goes on. */
  pauseLane(for_ms: number, pick: Random, thread?: SimulatedProcess): void {
    const run = this.#run;
    const lane = run?.threads.find(pick, thread);
    if (run === undefined || lane === undefined) return;
    this.#world.history.note(this.id, `a lane is stopped for ${for_ms.toFixed(0)} ms`);
    lane.thread.pause();
    this.#world.time.after(for_ms, () => {
      // A process that is stopped as a whole continues its lanes when it is continued.
      if (run.process.state === 'running') lane.thread.resume();
    });
  }

  jump(by_ms: number): void {
    this.#wallOffset_ms += by_ms;
    this.#run?.process.jump(by_ms);
  }

  #exited(run: Run, why: string): void {
    if (this.#run !== run) return;
    this.#world.history.note(this.id, why);
    this.#run = undefined;
    run.process.kill();
    run.network.breakOff();
    this.#startAgain(Math.max(restart_ms, this.#downUntil_ms - this.#world.time.now_ms()));
  }

  #startAgain(down_ms: number): void {
    const { time } = this.#world;
    this.#downUntil_ms = time.now_ms() + down_ms;
    time.after(down_ms, () => {
      this.start();
    });
  }

  /** Of this run only: whatever it still has under way when it is killed strikes nobody. */
  #crossing(): Crossing {
    return {
      cross: (process, action) => {
        if (process.state === 'dead') return;
        const { trap } = this;
        const isStruck = trap !== undefined && process.state === 'running' && --trap.messages <= 0;
        if (isStruck) this.trap = undefined;
        if (isStruck && !trap.isAfter) trap.spring(process);
        // The springing of a trap is seen in the state, which TypeScript takes for unchanged.
        const state = process.state as SimulatedProcess['state'];
        if (state === 'paused') process.after(0, action);
        else if (state === 'running') action();
        if (isStruck && trap.isAfter) trap.spring(process);
      },
    };
  }

  #parts(run: Run, random: Random): NodeParts {
    return {
      network: run.network,
      startLane: run.threads.start,
      createCompression: () => ({
        compress: (piece) => Promise.resolve(piece),
        close: () => Promise.resolve(),
      }),
      unpack: (content) => content,
      createMetrics: () => ({ names: [], scrape: () => Promise.resolve({ contentType: '', body: '' }) }),
      runId: () => `${String(this.#runs)}-${random.next().toString(36).slice(2, 6)}`,
    };
  }

  #adapters(thread: SimulatedProcess, crossing: Crossing, random: Random): readonly LaneAdapter[] {
    const { services } = this.#world;
    const line = (service: ServiceName): Line =>
      new Line(thread, this.ways[service], crossing, random.of(`${service} lane`));
    return [
      {
        name: 'memory',
        createSource: () => Promise.resolve(services.log.connect(line('log'))),
        createPublisher: (_system, sinks, scope) => {
          const logs = sinks.map(({ sink }) => ({ sink, log: services.output(sink) }));
          return Promise.resolve(services.sinks.connect(logs, scope, line('sinks')));
        },
      },
      {
        name: 'endpoint',
        createSource: () => Promise.reject(new Error('nobody reads from it')),
        createPublisher: (_system, sinks, scope) => {
          const logs = sinks.map(({ sink }) => ({ sink, log: services.output(sink) }));
          const positions = services.endpointPositions.connect(logs, scope, line('sinks'));
          // Between its last look at the clock and sending nothing can strike: that a real process may be stopped there,
          // and send one request late, is known (docs/failures.md), and no other sink depends on it.
          const direct = new Line(thread, this.ways.sinks, safeCrossing, random.of('endpoint'));
          const names = sinks.map(({ sink }) => sink);
          return Promise.resolve(new UnfencedMemoryPublisher(services.endpoint, positions, scope, names, direct));
        },
      },
    ];
  }

  #log(process: SimulatedProcess): NodeLog {
    const { history } = this.#world;
    const run = `${this.id}, run ${String(this.#runs)}`;
    const say = (fields: Readonly<Record<string, unknown>>, message: string): void => {
      if (process.state === 'dead') return;
      history.note(this.id, message, fields);
      if (fields['role'] === 'promoting') this.#world.onHolding(run, fields['epoch'] as Epoch);
      if (divergence.test(message)) this.#world.onDiverged(this.id);
    };
    return { debug: say, info: say, warn: say, error: say };
  }
}

/** What a node says when its state is not the active's. */
const divergence = /differs from the active's/;

/** When simulations begin. */
export const epoch_ms = Date.UTC(2026, 0, 1);

/** Time as services have it, which never die. */
export function serviceClock(time: VirtualTime): Clock {
  return {
    now_ms: () => time.now_ms(),
    wall_ms: () => epoch_ms + time.now_ms(),
    after: (delay_ms, callback) => time.after(delay_ms, callback),
  };
}

function appOptions(app: App, scenario: Scenario): AppOptions {
  const topology = compileApp(app);
  const use = { adapter: 'memory', system: {} };
  const spec: Omit<LaneSpec, 'lane'> = {
    pair: 'pair',
    app: app.name,
    lanes: scenario.lanes,
    sources: topology.sources.map((source) => ({ ...use, source, binding: {}, startFrom: 'earliest' })),
    publishers: publishersOf(topology.sinks, scenario),
    queueLimit_bytes: scenario.queueLimit_bytes,
    publishMaxOutputs: scenario.publishMaxOutputs,
    publishMaxBytes: 1 << 20,
    inSyncLag_inputs: 10,
    slice_ms: 10,
    digest: { every_inputs: 32, interval_ms: 300 },
  };
  const { version, hash: topologyHash, sources, sinks } = topology;
  return {
    description: { app: app.name, version, topologyHash, sources, sinks },
    bundle: { path: '', hash: 'simulated' },
    lanes: Array.from({ length: scenario.lanes }, (_, lane) => ({ ...spec, lane })),
  };
}

function publishersOf(sinks: readonly string[], { withUnfenced }: Scenario): LaneSpec['publishers'] {
  const use = (adapter: string, names: readonly string[]) => ({
    adapter,
    system: {},
    publisher: adapter,
    sinks: names.map((sink) => ({ sink, binding: {} })),
  });
  const unfenced = withUnfenced ? sinks.filter((sink) => unfencedSinks.has(sink)) : [];
  const fenced = use(
    'memory',
    sinks.filter((sink) => !unfenced.includes(sink)),
  );
  return unfenced.length === 0 ? [fenced] : [fenced, use('endpoint', unfenced)];
}
