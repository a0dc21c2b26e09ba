// Carries out faults, and takes them back when their time is over.
import type { SimulatedNode, ServiceName } from './node.ts';
import { serviceNames } from './node.ts';
import type { Fault } from './faults.ts';
import type { History } from './history.ts';
import type { Net } from './network.ts';
import type { Way } from './lines.ts';
import type { Services } from './services.ts';
import { Random } from './random.ts';
import type { VirtualTime } from '../virtual-time.ts';

export interface StrikingWorld {
  readonly time: VirtualTime;
  readonly history: History;
  readonly nodes: readonly SimulatedNode[];
  readonly net: Net;
  readonly services: Services;
  readonly apps: readonly string[];
}

interface Outages {
  coordinator: number;
  store: number;
  storeSpace: number;
  sinks: number;
  log: number;
  blocked: number;
}

export class Striking {
  readonly #world: StrikingWorld;
  readonly #random = new Random('striking');
  /** All that has struck so far is over by then. */
  #over_ms = 0;
  /** How many outages of a whole service are under way. */
  readonly #away: Outages = { coordinator: 0, store: 0, storeSpace: 0, sinks: 0, log: 0, blocked: 0 };

  constructor(world: StrikingWorld) {
    this.#world = world;
    world.services.revisions.isDown = () => this.#away.store > 0;
    world.services.revisions.isFull = () => this.#away.storeSpace > 0;
  }

  /** Whether something is wrong, or about to be, that may keep outputs from coming. */
  get isUnderWay(): boolean {
    const { nodes, time } = this.#world;
    return time.now_ms() < this.#over_ms || nodes.some((node) => node.trap !== undefined || !node.isRunning);
  }

  strike(fault: Fault): void {
    this.#lasts(fault);
    const { nodes, history, time } = this.#world;
    const node = this.#nodeOf(fault);
    switch (fault.kind) {
      case 'kill':
        node.kill(fault.for_ms);
        return;
      case 'kill-both':
        for (const [index, each] of nodes.entries()) each.kill(fault.for_ms * (1 + index));
        return;
      case 'terminate':
        node.terminate(fault.for_ms);
        return;
      case 'stop':
        node.pause(fault.for_ms);
        return;
      case 'kill-at-message':
      case 'stop-at-message':
      case 'lane-dies-at-message':
      case 'lane-stops-at-message':
        node.trap = {
          messages: fault.messages,
          isAfter: fault.isAfter,
          spring: (process) => {
            this.#lasts(fault);
            if (fault.kind === 'kill-at-message') node.kill(fault.for_ms);
            else if (fault.kind === 'stop-at-message') node.pause(fault.for_ms);
            else if (fault.kind === 'lane-dies-at-message') node.killLane(this.#random, process);
            else node.pauseLane(fault.for_ms, this.#random, process);
          },
        };
        return;
      case 'lane-dies':
        node.killLane(this.#random);
        return;
      case 'lane-stops':
        node.pauseLane(fault.for_ms, this.#random);
        return;
      case 'switchover':
        void this.#active()
          ?.doors?.switchover()
          .then(({ outcome, detail }) => {
            history.note('switchover', `${outcome}: ${detail}`);
          });
        return;
      case 'coordinator-away':
        this.#outage('coordinator', fault.for_ms);
        return;
      case 'store-away':
        this.#outage('store', fault.for_ms);
        return;
      case 'store-full':
        this.#outage('storeSpace', fault.for_ms);
        return;
      case 'sinks-away':
        this.#outage('sinks', fault.for_ms);
        return;
      case 'log-away':
        this.#outage('log', fault.for_ms);
        return;
      case 'sinks-blocked':
        this.#outage('blocked', fault.for_ms);
        return;
      case 'coordinator-cut':
      case 'store-cut':
      case 'sinks-cut':
      case 'log-cut': {
        const ways = node.ways[fault.kind.slice(0, -'-cut'.length) as ServiceName];
        this.#cut(fault, ways.there, ways.back);
        return;
      }
      case 'link-cut': {
        const other = nodes.find((one) => one !== node) ?? node;
        this.#cut(fault, this.#world.net.way(node.id), this.#world.net.way(other.id));
        return;
      }
      case 'coordinator-slow':
        this.#slow(fault, [node.ways.coordinator.there, node.ways.coordinator.back], 250);
        return;
      case 'isolated': {
        // No link, hardly a coordinator, and in the midst of it the session ends.
        const way = this.#world.net.way(node.id);
        const lasts: Fault = { ...fault, for_ms: fault.for_ms + 600, direction: 'both' };
        this.#cut(lasts, way, way);
        this.#slow(lasts, [node.ways.coordinator.back], 500);
        time.after(lasts.for_ms * 0.8, () => {
          this.#world.services.coordination.expire(node.id);
        });
        return;
      }
      case 'sinks-slow':
        this.#slow(fault, [node.ways.sinks.there, node.ways.sinks.back], 40);
        return;
      case 'link-slow':
        this.#slow(fault, [this.#world.net.way(node.id)], 40);
        return;
      case 'state-diverges':
        node.flaw.isDue = true;
        return;
      case 'session-expires':
        this.#world.services.coordination.expire(node.id);
        return;
      case 'revision-damaged':
        this.#damage();
        return;
      case 'log-shortened':
        this.#shorten();
        return;
      case 'wall-clock-jumps':
        node.jump(fault.by_ms);
        return;
    }
  }

  /** Whatever is wrong is so no longer. Nodes that are down or stopped come back by themselves. */
  heal(): void {
    for (const node of this.#world.nodes) {
      node.trap = undefined;
      for (const service of serviceNames) for (const way of Object.values(node.ways[service])) mend(way);
    }
    for (const way of this.#world.net.ways.values()) mend(way);
    for (const what of Object.keys(this.#away) as (keyof Outages)[]) this.#away[what] = 0;
    this.#over_ms = 0;
    this.#apply();
  }

  /** From now on. Both nodes killed are started one after the other, and isolation ends with a session. */
  #lasts({ for_ms }: Fault): void {
    this.#over_ms = Math.max(this.#over_ms, this.#world.time.now_ms() + for_ms * 2 + 600);
  }

  #active(): SimulatedNode | undefined {
    return this.#world.nodes.find((node) => node.doors?.node().role === 'active');
  }

  #nodeOf({ node: wanted }: Fault): SimulatedNode {
    const { nodes } = this.#world;
    const [first] = nodes;
    if (first === undefined) throw new Error('no nodes');
    const active = this.#active() ?? first;
    if (wanted === 'active') return active;
    if (wanted === 'passive') return nodes.find((one) => one !== active) ?? first;
    return nodes.find((one) => one.id === wanted) ?? first;
  }

  #outage(what: keyof Outages, for_ms: number): void {
    this.#away[what]++;
    this.#apply();
    this.#world.time.after(for_ms, () => {
      this.#away[what] = Math.max(0, this.#away[what] - 1);
      this.#apply();
    });
  }

  #apply(): void {
    const { services } = this.#world;
    services.sinks.isBlocked = this.#away.blocked > 0;
    services.sinks.isCut = this.#away.sinks > 0;
    services.endpoint.isCut = this.#away.sinks > 0;
    services.endpointPositions.isCut = this.#away.sinks > 0;
    if (this.#away.log > 0) services.log.cut();
    else services.log.heal();
    services.coordination.isDown = this.#away.coordinator > 0;
  }

  #cut({ direction, for_ms }: Fault, there: Way, back: Way): void {
    const ways = direction === 'both' ? [there, back] : [direction === 'there' ? there : back];
    for (const way of ways) {
      way.isCut = true;
      this.#world.time.after(for_ms, () => {
        way.isCut = false;
      });
    }
  }

  #slow({ for_ms }: Fault, ways: readonly Way[], by_ms: number): void {
    for (const way of ways) {
      way.slow_ms = by_ms;
      this.#world.time.after(for_ms, () => {
        way.slow_ms = 0;
      });
    }
  }

  /** The newest revision of an app, where there is another one: from some byte on it cannot be read. */
  #damage(): void {
    const { services, apps, history } = this.#world;
    for (const app of apps) {
      const kept = [...(services.revisions.apps.get(app)?.kept.keys() ?? [])];
      if (kept.length < 2) continue;
      const revision = Math.max(...kept);
      services.revisions.corrupt(app, revision, this.#random.next());
      history.note('store', `revision ${String(revision)} of ${app} is damaged`);
    }
  }

  /** Retention drops what no whole revision needs. */
  #shorten(): void {
    const { services, apps, history } = this.#world;
    for (let partition = 0; partition < services.log.partitions; partition++) {
      const needed = apps.map((app) => {
        const kept = [...(services.revisions.apps.get(app)?.kept.values() ?? [])];
        return kept.length === 0
          ? 0
          : Math.min(...kept.map(({ info }) => Number(info.positions[`in/${String(partition)}`] ?? 0)));
      });
      const before = Math.min(...needed);
      if (!Number.isFinite(before)) continue;
      services.log.drop(partition, before);
      history.note('log', `begins at ${String(before)} in partition ${String(partition)}`);
    }
  }
}

function mend(way: Way): void {
  way.isCut = false;
  way.slow_ms = 0;
}
