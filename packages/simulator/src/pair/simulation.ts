// One seed's run: a pair, its load and its faults; then calm, in which everything has to come right.
import type { NodeId } from '@tandem/pair';
import type { App } from '@tandem/streams';
import { VirtualTime } from '../virtual-time.ts';
import { brittle, flawless, totals, type Flaw, type Input } from './apps.ts';
import { Checker, type Violation } from './checker.ts';
import { examine, type Revision } from './examination.ts';
import { describeFault } from './faults.ts';
import { History } from './history.ts';
import { Net } from './network.ts';
import { goodWay } from './lines.ts';
import { epoch_ms, serviceClock, SimulatedNode } from './node.ts';
import { Random } from './random.ts';
import { Reference } from './reference.ts';
import { nodeIds, tasksOf, type Scenario } from './scenario.ts';
import { Services } from './services.ts';
import { Striking } from './striking.ts';

export interface SimulationResult {
  readonly violations: readonly Violation[];
  readonly history: History;
  readonly inputs: number;
  readonly outputs: number;
  /** At sinks without a fence. */
  readonly repeated: number;
  readonly epochs: number;
}

/** Once nothing is wrong any more, everything is published and the pair in step within this time (L1). */
const recovery_ms = 8_000;
/** And outputs that are due come at all, from the end of what kept them on. */
const stall_ms = 3_000;
const stallLook_ms = 100;
const look_ms = 5;

export async function simulate(scenario: Scenario): Promise<SimulationResult> {
  return new Simulation(scenario).run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #time = new VirtualTime();
  readonly #history = new History(this.#time);
  readonly #random: Random;
  readonly #services: Services;
  readonly #references: ReadonlyMap<string, Reference>;
  readonly #checker: Checker;
  readonly #nodes: readonly SimulatedNode[];
  readonly #striking: Striking;
  readonly #kept: (Revision & { readonly at_ms: number })[] = [];
  #inputs = 0;
  #looked_ms = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#random = new Random(`run ${String(scenario.seed)}`);
    const appsWith = (flaw: Flaw): readonly App[] => (scenario.withBrittle ? [totals(flaw), brittle] : [totals(flaw)]);
    const apps = appsWith(flawless);
    this.#services = new Services(scenario, serviceClock(this.#time));
    this.#references = new Map(apps.map((app) => [app.name, new Reference(app)]));
    this.#checker = new Checker(this.#history, this.#references, scenario.queueLimit_bytes);
    this.#services.sinks.onWritten = (written) => {
      this.#checker.onWritten(written);
    };
    this.#services.sinks.onPublished = (published) => {
      this.#checker.onPublished(published, true);
    };
    this.#services.endpointPositions.onPublished = (published) => {
      this.#checker.onPublished(published, false);
    };
    this.#services.sinks.onOpened = (scope, epoch) => {
      this.#checker.onOpened(scope, epoch);
    };
    this.#services.revisions.onKept = (name, revision) => {
      const app = apps.find((one) => one.name === name);
      if (app === undefined) return;
      this.#history.note('store', `keeps revision ${String(revision)} of ${name}`);
      this.#kept.push({ app, revision, published: this.#services.published(name), at_ms: this.#time.now_ms() });
    };
    this.#services.endpoint.onWritten = (written) => {
      this.#checker.onSent(written);
    };
    const net = new Net(new Map(nodeIds.map((id) => [id, goodWay(scenario.lateShare)])));
    const world = {
      time: this.#time,
      scenario,
      history: this.#history,
      net,
      services: this.#services,
      apps: appsWith,
      onDiverged: (node: NodeId) => {
        const isCaused = this.#scenario.faults.some(({ kind }) => kind === 'state-diverges');
        if (!isCaused) this.#checker.violate('digest', `${node} finds that its state differs, and it does not`);
      },
      onHolding: this.#checker.onHolding.bind(this.#checker),
      onFromLane: this.#checker.onFromLane.bind(this.#checker),
      onCrash: (node: NodeId, error: Error) => {
        this.#checker.violate('crash', `${node}: ${error.stack ?? error.message}`);
      },
    };
    this.#nodes = nodeIds.map(
      (id, index) => new SimulatedNode(id, world, scenario.rates[index] ?? 1, this.#random.of(`node ${id}`)),
    );
    this.#striking = new Striking({
      time: this.#time,
      history: this.#history,
      nodes: this.#nodes,
      net,
      services: this.#services,
      apps: apps.map(({ name }) => name),
    });
  }

  async run(): Promise<SimulationResult> {
    const { faults, faultsEnd_ms } = this.#scenario;
    for (const node of this.#nodes) {
      this.#time.after(this.#random.between(0, 30), () => {
        node.start();
      });
    }
    for (const fault of faults) {
      this.#time.after(fault.at_ms, () => {
        this.#history.note('FAULT', describeFault(fault));
        this.#striking.strike(fault);
      });
    }
    this.#feed();
    for (const app of this.#references.keys()) this.#watchForStalls(app);
    await this.#time.runUntil(faultsEnd_ms);
    this.#history.note('calm', 'nothing is wrong from now on');
    this.#striking.heal();
    try {
      await this.#time.until('recovery', () => this.#isRight(), recovery_ms);
    } catch {
      this.#checker.violate('L1', `not in step ${String(recovery_ms)} ms after the last fault: ${this.#wrong() ?? ''}`);
    }
    await this.#examine();
    return {
      violations: this.#checker.violations,
      history: this.#history,
      inputs: this.#inputs,
      outputs: this.#checker.outputs(),
      repeated: this.#checker.repeated,
      epochs: this.#services.coordination.view().epoch ?? 0,
    };
  }

  /** L1: every stall has to be explained by something that is wrong at the time. */
  #watchForStalls(app: string): void {
    const tasks = tasksOf(this.#scenario);
    let outputs = 0;
    let well_ms = 0;
    const look = (): void => {
      const now_ms = this.#time.now_ms();
      const before = outputs;
      outputs = this.#checker.outputs(app);
      const missing = this.#checker.missing(app, tasks);
      const isHalted = this.#references.get(app)?.isBroken === true;
      if (isHalted || missing === undefined || outputs > before || this.#striking.isUnderWay) well_ms = now_ms;
      if (now_ms - well_ms > stall_ms) {
        this.#checker.violate(
          'L1',
          `nothing explains why no output has come for ${String(stall_ms)} ms: ${missing ?? ''}`,
        );
        return;
      }
      this.#time.after(stallLook_ms, look);
    };
    look();
  }

  /** Bursts of inputs until the faults end. */
  #feed(): void {
    const random = this.#random.of('load');
    const { burstEvery_ms, faultsEnd_ms, partitions } = this.#scenario;
    const burst = (): void => {
      if (this.#time.now_ms() > faultsEnd_ms - 100) return;
      const count = 1 + random.below(4);
      for (let index = 0; index < count; index++) {
        const input: Input = { n: random.below(1_000), ...(random.chance(0.006) && { breaks: true }) };
        const partition = random.below(partitions);
        const record = {
          key: Buffer.from(`k${String(random.below(4))}`),
          value: Buffer.from(JSON.stringify(input)),
          timestamp_ms: epoch_ms + Math.round(this.#time.now_ms()),
        };
        for (const reference of this.#references.values()) reference.feed('in', partition, record);
        this.#services.log.append(partition, [record]);
        this.#inputs++;
      }
      this.#time.after(random.between(1, burstEvery_ms), burst);
    };
    this.#time.after(random.between(0, 200), burst);
  }

  /** Some seeds look at one of the revisions that are left. */
  async #examine(): Promise<void> {
    const random = this.#random.of('examination');
    if (this.#checker.violations.length > 0 || !random.chance(0.4)) return;
    const whole = this.#kept.filter(({ app, revision }) => {
      const isThere = this.#services.revisions.isWhole(app.name, revision);
      return isThere && this.#references.get(app.name)?.isBroken === false;
    });
    if (whole.length === 0) return;
    const revision = random.pick(whole);
    const reference = this.#references.get(revision.app.name);
    if (reference === undefined) return;
    const wrong = await examine(revision, this.#services, this.#scenario, reference);
    if (wrong !== undefined) this.#checker.violate(wrong.rule, wrong.what);
  }

  /** Looked at every few milliseconds, which is often enough. */
  #isRight(): boolean {
    const now_ms = this.#time.now_ms();
    if (now_ms < this.#looked_ms + look_ms) return false;
    this.#looked_ms = now_ms;
    return this.#wrong() === undefined;
  }

  /** What keeps the pair from being as it should be; undefined when nothing does. */
  #wrong(): string | undefined {
    const reports = this.#nodes.map((node) => node.doors?.node());
    const roles = reports.map((report) => report?.role ?? 'down');
    if ([...roles].sort().join() !== 'active,passive') return `roles are ${roles.join(' and ')}`;
    const tasks = tasksOf(this.#scenario);
    for (const [app, reference] of this.#references) {
      const missing = this.#checker.missing(app, tasks);
      if (missing !== undefined && !reference.isBroken) return missing;
      for (const node of this.#nodes) {
        const report = node.doors?.apps().find((one) => one.app === app);
        const isWell = report?.condition === 'in-sync' || report?.output === 'live';
        if (!isWell && !reference.isBroken) {
          return `${app} on ${node.id} is ${report?.condition ?? 'unknown'}: ${report?.reason ?? ''}`;
        }
        const queued_bytes = node.queued_bytes(app);
        if (queued_bytes > 0 && !reference.isBroken) {
          return `${app} on ${node.id} still queues ${String(queued_bytes)} bytes of what is published`;
        }
      }
    }
    const isStored = this.#kept.some(({ at_ms }) => at_ms > this.#scenario.faultsEnd_ms);
    return isStored || this.#references.get('totals')?.isBroken === true ? undefined : 'no revision is stored any more';
  }
}
