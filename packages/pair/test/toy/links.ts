// Links between nodes: up when a passive knows an active that agrees, gone with either process, silent when one hangs.
import type { ToyProcess } from './process.ts';
import { timing, type ToyWorld } from './world.ts';

interface Link {
  readonly passive: ToyProcess;
  readonly active: ToyProcess;
  quietSince_ms: number | undefined;
  told: string;
}

export class ToyLinks {
  private readonly world: ToyWorld;
  private links: Link[] = [];
  private readonly cutNodes = new Set<string>();

  constructor(world: ToyWorld) {
    this.world = world;
  }

  /** Nothing gets through between this node and the others. */
  setCut(node: string, isCut: boolean): void {
    if (isCut) this.cutNodes.add(node);
    else this.cutNodes.delete(node);
  }

  reaches(from: ToyProcess, to: ToyProcess): boolean {
    return !this.cutNodes.has(from.member.node) && !this.cutNodes.has(to.member.node);
  }

  /** The process has ended: connections of it close at once, unless the path is cut. */
  ended(process: ToyProcess): void {
    for (const link of this.links) {
      if (link.passive !== process && link.active !== process) continue;
      if (this.reaches(link.passive, link.active)) this.close(link, 'closed');
    }
  }

  tend(): void {
    const { now_ms } = this.world;
    const before = this.links;
    for (const link of this.links) {
      const { passive, active } = link;
      const isWanted = passive.state.view?.active?.incarnation === active.member.incarnation;
      if (passive.isRunning && active.isRunning && this.reaches(passive, active)) {
        link.quietSince_ms = undefined;
        // An active that lost its session stays linked: it will be back.
        if (!isWanted && passive.state.view?.active !== undefined) this.close(link, 'closed');
        else this.tellStatus(link);
      } else {
        link.quietSince_ms ??= now_ms;
        if (now_ms - link.quietSince_ms > timing.sessionTimeout_ms) this.close(link, 'silent');
      }
    }
    // Both ends hear of a closing before they hear of the next opening.
    if (before !== this.links) return;
    for (const process of this.world.processes.values()) this.connect(process);
  }

  private connect(passive: ToyProcess): void {
    const { view, held } = passive.state;
    const target = view?.active;
    if (target === undefined || view?.epoch === undefined || held !== undefined || !passive.isRunning) return;
    const active = this.world.byIncarnation(target.incarnation);
    if (active === undefined || active === passive || !active.isRunning || !this.reaches(passive, active)) return;
    if (active.state.held !== view.epoch) return;
    if (this.links.some((link) => link.passive === passive && link.active === active)) return;
    this.links = [...this.links, { passive, active, quietSince_ms: undefined, told: '' }];
    passive.dispatch({ type: 'link-opened', peer: active.member.incarnation, epoch: view.epoch });
    active.dispatch({ type: 'link-opened', peer: passive.member.incarnation, epoch: view.epoch });
  }

  private tellStatus(link: Link): void {
    const inSyncApps = link.passive.appsInSync();
    const text = inSyncApps.join();
    if (text === link.told) return;
    link.told = text;
    link.active.dispatch({ type: 'peer-status', peer: link.passive.member.incarnation, inSyncApps });
  }

  private close(link: Link, how: 'closed' | 'silent'): void {
    this.links = this.links.filter((other) => other !== link);
    for (const [end, other] of [
      [link.passive, link.active],
      [link.active, link.passive],
    ] as const) {
      this.world.after(1, end, () => {
        end.dispatch({ type: 'link-closed', peer: other.member.incarnation, how });
      });
    }
  }
}
