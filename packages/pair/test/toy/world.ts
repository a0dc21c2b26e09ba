// A toy world for the role machine: time, messages that may be late or lost, and everything that is shared by the nodes.
import type { step as realStep, AppName, Incarnation, NodeId, PairSettings } from '@tandem/pair';
import { ToyCoordinator } from './coordinator.ts';
import { ToyLinks } from './links.ts';
import { ToyProcess } from './process.ts';
import { ToySink, type FenceKind } from './sink.ts';
import type { ToySnapshot } from './lane.ts';

export interface WorldOptions {
  readonly nodes: readonly NodeId[];
  readonly apps: readonly AppName[];
  readonly fence: FenceKind;
  readonly liveSync: boolean;
  /** Undefined: every message takes 1 ms. */
  readonly seed: number | undefined;
  /** The step to try; a wrong one should be caught. */
  readonly step: typeof realStep;
  /** Mistakes of a lane that should be caught. */
  readonly laneMistake:
    'none' | 'reads-back-before-open' | 'goes-on-from-memory' | 'opens-without-waiting' | 'ignores-authority';
}

interface Task {
  readonly at_ms: number;
  readonly order: number;
  readonly owner: ToyProcess | undefined;
  readonly run: () => void;
}

export const timing = {
  sessionTimeout_ms: 1000,
  heartbeat_ms: 100,
  pump_ms: 50,
  persist_ms: 400,
  linkRetry_ms: 50,
} as const;

export class ToyWorld {
  readonly options: WorldOptions;
  readonly coordinator: ToyCoordinator;
  readonly links: ToyLinks;
  readonly sinks: ReadonlyMap<AppName, ToySink>;
  readonly processes = new Map<NodeId, ToyProcess>();
  /** Number of inputs in each app's log. */
  readonly logs = new Map<AppName, number>();
  readonly revisions = new Map<AppName, ToySnapshot & { readonly epoch: number }>();
  readonly begun = new Set<AppName>();
  readonly transcript: string[] = [];
  /** S1: who ever held which epoch. */
  readonly holders = new Map<number, Incarnation>();
  storeIsDown = false;
  /** Share of requests and answers that get lost. */
  loss = 0;
  now_ms = 0;
  private tasks: Task[] = [];
  private order = 0;
  private random: number;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = options.seed ?? 1;
    this.coordinator = new ToyCoordinator(this);
    this.links = new ToyLinks(this);
    this.sinks = new Map(options.apps.map((app) => [app, new ToySink(this, app, options.fence)]));
    for (const app of options.apps) this.logs.set(app, 0);
    this.every(timing.heartbeat_ms, () => {
      this.coordinator.heartbeat();
    });
    this.every(timing.linkRetry_ms, () => {
      this.links.tend();
    });
    this.every(timing.pump_ms, () => {
      for (const process of this.processes.values()) process.pump();
    });
    this.every(timing.sessionTimeout_ms / 4, () => {
      for (const process of this.processes.values()) process.renewAuthority();
    });
    this.every(timing.persist_ms, () => {
      for (const process of this.processes.values()) process.persist();
    });
  }

  settingsOf(node: NodeId, incarnation: Incarnation): PairSettings {
    return {
      self: { node, incarnation, address: `http://${node}` },
      sessionTimeout_ms: timing.sessionTimeout_ms,
      probeClaimInterval_ms: 5000,
      probeRetry_ms: 20,
      headStart_ms: 30,
      switchoverLimit_ms: 2000,
      liveSync: this.options.liveSync,
      stateSyncRetry_ms: 2000,
      coordinatorRetry_ms: 100,
    };
  }

  start(node: NodeId): ToyProcess {
    const run = Number(this.processes.get(node)?.member.incarnation.slice(node.length) ?? 0) + 1;
    const process = new ToyProcess(this, node, `${node}${run}`);
    this.processes.set(node, process);
    this.say(`${node}: started as ${process.member.incarnation}`);
    this.coordinator.join(process);
    return process;
  }

  process(node: NodeId): ToyProcess {
    const process = this.processes.get(node);
    if (process === undefined) throw new Error(`${node} was never started`);
    return process;
  }

  byIncarnation(incarnation: Incarnation): ToyProcess | undefined {
    return [...this.processes.values()].find((process) => process.member.incarnation === incarnation);
  }

  sink(app: AppName): ToySink {
    const sink = this.sinks.get(app);
    if (sink === undefined) throw new Error(`no sink for ${app}`);
    return sink;
  }

  addInputs(count: number): void {
    for (const [app, size] of this.logs) this.logs.set(app, size + count);
  }

  /** `owner`: the process that this happens in: it waits while that is paused, and never happens once it is dead. */
  after(delay_ms: number, owner: ToyProcess | undefined, run: () => void): void {
    this.tasks.push({ at_ms: this.now_ms + delay_ms, order: this.order++, owner, run });
  }

  /** How long one message takes. Now and then longer than anybody waits. */
  latency_ms(): number {
    if (this.options.seed === undefined) return 1;
    const slow = this.loss > 0 && this.chance() < this.loss / 4;
    return 1 + Math.floor(this.chance() * (slow ? 1.5 * timing.sessionTimeout_ms : 20));
  }

  isLost(): boolean {
    return this.loss > 0 && this.chance() < this.loss;
  }

  runFor(duration_ms: number): void {
    const until_ms = this.now_ms + duration_ms;
    for (;;) {
      let next: Task | undefined;
      for (const task of this.tasks) {
        if (next === undefined || task.at_ms < next.at_ms || (task.at_ms === next.at_ms && task.order < next.order))
          next = task;
      }
      if (next === undefined || next.at_ms > until_ms) break;
      const due = next;
      this.tasks = this.tasks.filter((task) => task !== due);
      this.now_ms = Math.max(this.now_ms, due.at_ms);
      if (due.owner === undefined) due.run();
      else due.owner.receive(due.run);
    }
    this.now_ms = until_ms;
  }

  runUntil(what: string, isTrue: () => boolean, limit_ms = 20_000): void {
    const until_ms = this.now_ms + limit_ms;
    while (!isTrue()) {
      if (this.now_ms >= until_ms) throw new Error(`${what}: not within ${limit_ms} ms\n${this.describe()}`);
      this.runFor(1);
    }
  }

  say(line: string): void {
    this.transcript.push(`${String(this.now_ms).padStart(6)} ${line}`);
  }

  describe(): string {
    const nodes = [...this.processes.values()].map((process) => process.describe());
    const sinks = [...this.sinks.values()].map((sink) => sink.describe());
    return [...this.transcript.slice(-80), '', ...nodes, ...sinks].join('\n');
  }

  private every(interval_ms: number, run: () => void): void {
    this.after(interval_ms, undefined, () => {
      run();
      this.every(interval_ms, run);
    });
  }

  private chance(): number {
    this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0;
    return this.random / 2 ** 32;
  }
}
