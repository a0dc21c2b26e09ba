// Members of one pair on one server, each test with a pair of its own; all of them leave when the test ends.
import { TcpProxy } from '@tandem/harness';
import type { Member, View } from '@tandem/pair';
import type { Coordinator } from '@tandem/ports';
import { createZookeeperCoordinator, type ZookeeperSystem } from '@tandem/zookeeper';
import { Bystander } from './bystander.ts';
import { clock } from '@tandem/ports/contract';
import { systemAt } from './system.ts';

const run = `${String(process.pid)}-${String(Date.now())}`;
let stages = 0;

export interface Joined {
  readonly coordinator: Coordinator;
  readonly self: Member;
  readonly connection: readonly string[];
  view(): View | undefined;
}

export class Stage {
  readonly pair: string;
  /** Where the pair's znodes are. */
  readonly root: string;
  readonly #address: string;
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(address: string) {
    stages += 1;
    this.pair = `pair-${run}-${String(stages)}`;
    this.root = `/tandem/${this.pair}`;
    this.#address = address;
  }

  coordinator(system: ZookeeperSystem = systemAt(this.#address), sessionTimeout_ms = 1000): Coordinator {
    const coordinator = createZookeeperCoordinator({ system, pair: this.pair, sessionTimeout_ms, clock });
    this.#ends.push(() => coordinator.leave());
    return coordinator;
  }

  async join(node: string, system?: ZookeeperSystem, sessionTimeout_ms?: number): Promise<Joined> {
    const coordinator = this.coordinator(system, sessionTimeout_ms);
    const self: Member = { node, incarnation: `${node}-here`, address: 'http://127.0.0.1:2' };
    const views: View[] = [];
    const connection: string[] = [];
    await coordinator.join(self, {
      onView: (view) => views.push(view),
      onConnection: (state) => connection.push(state),
    });
    return { coordinator, self, connection, view: () => views.at(-1) };
  }

  /** A link to the server that can be harmed, and the system by way of it. */
  async link(): Promise<{ readonly proxy: TcpProxy; readonly system: ZookeeperSystem }> {
    const [host = '', port = ''] = this.#address.split(':');
    const proxy = await TcpProxy.to(host, Number(port));
    this.#ends.unshift(() => proxy.close());
    return { proxy, system: systemAt(`127.0.0.1:${String(proxy.port)}`) };
  }

  async bystander(login?: string): Promise<Bystander> {
    const bystander = await Bystander.connect(this.#address, login);
    this.#ends.push(() => bystander.close());
    return bystander;
  }

  atEnd(end: () => Promise<void>): void {
    this.#ends.push(end);
  }

  async close(): Promise<void> {
    // What came last goes first; links last of all.
    for (const end of this.#ends.toReversed()) await end();
  }
}
