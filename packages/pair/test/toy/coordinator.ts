// A linearizable coordinator with sessions that expire; its answers travel like everything else.
import { asEpoch, type Epoch, type Member, type View } from '@tandem/pair';
import type { ToyProcess } from './process.ts';
import { timing, type ToyWorld } from './world.ts';

interface Session {
  readonly process: ToyProcess;
  seenAt_ms: number;
}

export class ToyCoordinator {
  isDown = false;
  private readonly world: ToyWorld;
  private epoch: Epoch | undefined = undefined;
  private active: Member | undefined = undefined;
  private sessions: Session[] = [];
  private readonly cut = new Set<string>();
  private readonly unwatched = new Set<string>();
  private readonly missedView = new Set<ToyProcess>();
  private readonly toldLost = new Set<string>();
  private views = 0;
  /** Of the newest view that a process has heard of: what an older one says is no longer news. */
  private readonly heardView = new Map<ToyProcess, number>();

  constructor(world: ToyWorld) {
    this.world = world;
  }

  /** Joining while the coordinator cannot be reached is tried again with each heartbeat. */
  join(process: ToyProcess): void {
    if (!this.reaches(process)) return;
    this.sessions.push({ process, seenAt_ms: this.world.now_ms });
    this.publishView();
  }

  setCut(node: string, isCut: boolean): void {
    if (isCut) this.cut.add(node);
    else this.cut.delete(node);
  }

  /** Views do not reach this node unless it asks. */
  setWatched(node: string, isWatched: boolean): void {
    if (!isWatched) this.unwatched.add(node);
    else this.unwatched.delete(node);
  }

  /** The session ends although its process lives, as when the coordinator forgets it. */
  expire(node: string): void {
    this.endSessions((session) => session.process.member.node === node);
  }

  heartbeat(): void {
    const { now_ms } = this.world;
    if (this.isDown) {
      for (const session of this.sessions) session.seenAt_ms += timing.heartbeat_ms;
    }
    for (const process of this.world.processes.values()) {
      if (!process.isAlive || process.isPaused) continue;
      const session = this.sessions.find((other) => other.process === process);
      const { incarnation } = process.member;
      if (this.reaches(process)) {
        if (session === undefined) this.join(process);
        else session.seenAt_ms = now_ms;
        process.heardAt_ms = now_ms;
        if (this.toldLost.delete(incarnation)) process.dispatch({ type: 'coordinator-back' });
        if (this.missedView.has(process)) this.sendView(process);
      } else if (now_ms - process.heardAt_ms > (timing.sessionTimeout_ms * 2) / 3 && !this.toldLost.has(incarnation)) {
        this.toldLost.add(incarnation);
        process.dispatch({ type: 'coordinator-lost' });
      }
    }
    this.endSessions((session) => now_ms - session.seenAt_ms > timing.sessionTimeout_ms);
  }

  claim(process: ToyProcess, expected: Epoch | undefined): void {
    this.ask(
      process,
      () => {
        if (this.epoch !== expected) {
          const view = this.view();
          return () => {
            process.dispatch({ type: 'claim-lost', view });
          };
        }
        const epoch = asEpoch((expected ?? 0) + 1);
        this.epoch = epoch;
        this.active = process.member;
        this.publishView();
        return () => {
          process.dispatch({ type: 'claim-won', epoch });
        };
      },
      () => {
        process.dispatch({ type: 'claim-unknown' });
      },
    );
  }

  readView(process: ToyProcess): void {
    this.ask(
      process,
      () => this.viewFor(process),
      () => undefined,
    );
  }

  verify(
    process: ToyProcess,
    epoch: Epoch,
    onAnswer: (outcome: 'current' | 'superseded' | 'unanswered') => void,
  ): void {
    this.ask(
      process,
      () => {
        const isCurrent = this.epoch === epoch && this.active?.incarnation === process.member.incarnation;
        return () => {
          onAnswer(isCurrent ? 'current' : 'superseded');
        };
      },
      () => {
        onAnswer('unanswered');
      },
    );
  }

  resign(process: ToyProcess, epoch: Epoch): void {
    this.ask(
      process,
      () => {
        if (this.epoch === epoch && this.active?.incarnation === process.member.incarnation) {
          this.active = undefined;
          this.publishView();
        }
        return () => undefined;
      },
      () => undefined,
    );
  }

  leave(process: ToyProcess): void {
    this.endSessions((session) => session.process === process);
  }

  view(): View {
    return { epoch: this.epoch, active: this.active, members: this.sessions.map((session) => session.process.member) };
  }

  /** One request: it may be lost, be late, be carried out with its answer lost; then `onTimeout` is all that is heard. */
  private ask(process: ToyProcess, carryOut: () => () => void, onTimeout: () => void): void {
    const { world } = this;
    let isOver = false;
    world.after(timing.sessionTimeout_ms, process, () => {
      if (isOver) return;
      isOver = true;
      onTimeout();
    });
    if (!this.reaches(process) || world.isLost()) return;
    world.after(world.latency_ms(), undefined, () => {
      if (this.isDown || !this.sessions.some((session) => session.process === process)) return;
      const answer = carryOut();
      if (!this.reaches(process) || world.isLost()) return;
      world.after(world.latency_ms(), process, () => {
        if (isOver) return;
        isOver = true;
        answer();
      });
    });
  }

  private reaches(process: ToyProcess): boolean {
    return !this.isDown && !this.cut.has(process.member.node);
  }

  private publishView(): void {
    for (const { process } of this.sessions) this.sendView(process);
  }

  private sendView(process: ToyProcess): void {
    this.missedView.add(process);
    if (!this.reaches(process) || this.unwatched.has(process.member.node)) return;
    this.missedView.delete(process);
    this.world.after(this.world.latency_ms(), process, this.viewFor(process));
  }

  /** What there is now, to be told later. */
  private viewFor(process: ToyProcess): () => void {
    const view = this.view();
    const number = ++this.views;
    return () => {
      if (number < (this.heardView.get(process) ?? 0)) return;
      this.heardView.set(process, number);
      process.dispatch({ type: 'view-changed', view });
    };
  }

  private endSessions(isOver: (session: Session) => boolean): void {
    const ended = this.sessions.filter(isOver).map((session) => session.process.member.incarnation);
    if (ended.length === 0) return;
    this.sessions = this.sessions.filter((session) => !isOver(session));
    if (this.active !== undefined && ended.includes(this.active.incarnation)) this.active = undefined;
    this.publishView();
  }
}
