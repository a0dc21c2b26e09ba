// A coordinator in memory, for simulated pairs: one MemoryCoordination is the service, each MemoryCoordinator a client.
// Requests and answers each take a moment of the given clock, so that everything that can happen in between does.
import type { AppName, Epoch, Incarnation, Member, NodeId, View } from '@tandem/pair';
import {
  TandemError,
  toError,
  type AppRecord,
  type ClaimOutcome,
  type Clock,
  type Coordinator,
  type CoordinatorListener,
  type Timer,
  type VerifyOutcome,
  type VersionedAppRecord,
} from '@tandem/ports';
import { directWire, request, type Wire } from './wire.ts';

interface Session {
  readonly member: Member;
  expiresAt_ms: number;
}

export interface MemoryCoordinationOptions {
  readonly clock: Clock;
  readonly sessionTimeout_ms: number;
  /** How long the next message takes, either way; default 1 ms each. */
  readonly delay_ms?: () => number;
  /** An active whose session has ended is not active any more, even when it comes back; default false. */
  readonly activeEndsWithSession?: boolean;
}

/** What all clients of a pair share. All of it changes in single steps, so every read is linearizable. */
export class MemoryCoordination {
  readonly clock: Clock;
  readonly sessionTimeout_ms: number;
  readonly delay_ms: () => number;
  readonly #activeEndsWithSession: boolean;
  readonly #sessions = new Map<NodeId, Session>();
  /** Those that died or left: what they sent before may still arrive, and must not bring them back. */
  readonly #ended = new Set<Incarnation>();
  readonly #records = new Map<AppName, VersionedAppRecord>();
  /** While set, nobody is answered. */
  isDown = false;
  readonly #listeners = new Set<() => void>();
  #epoch: number | undefined;
  #active: Incarnation | undefined;

  constructor(options: MemoryCoordinationOptions) {
    this.clock = options.clock;
    this.sessionTimeout_ms = options.sessionTimeout_ms;
    this.delay_ms = options.delay_ms ?? (() => 1);
    this.#activeEndsWithSession = options.activeEndsWithSession ?? false;
  }

  /** A client such as a new process would have. */
  connect(wire: Wire = directWire(this.clock, this.delay_ms)): MemoryCoordinator {
    return new MemoryCoordinator(this, wire);
  }

  view(): View {
    const members = [...this.#sessions.values()]
      .filter((session) => this.#isAlive(session))
      .map((session) => session.member)
      .sort((a, b) => (a.node < b.node ? -1 : 1));
    const active = members.find((member) => member.incarnation === this.#active);
    return { epoch: this.#epoch as Epoch | undefined, active, members };
  }

  /** Enters or renews. False when another live process has the node id. */
  renew(member: Member): boolean {
    if (this.#ended.has(member.incarnation)) return false;
    const session = this.#sessions.get(member.node);
    const isOurs = session?.member.incarnation === member.incarnation;
    if (session !== undefined && !isOurs && this.#isAlive(session)) return false;
    const isNews = session === undefined || !isOurs || !this.#isAlive(session);
    if (isNews && this.#activeEndsWithSession && this.#active === member.incarnation) this.#active = undefined;
    this.#sessions.set(member.node, { member, expiresAt_ms: this.clock.now_ms() + this.sessionTimeout_ms });
    if (isNews) this.#changed();
    return true;
  }

  /** Its session ends although it is alive: it may enter again. */
  expire(node: NodeId): void {
    const session = this.#sessions.get(node);
    if (session === undefined) return;
    session.expiresAt_ms = this.clock.now_ms();
    this.#changed();
  }

  /** The process died, or left. */
  end(member: Member): void {
    this.#ended.add(member.incarnation);
    if (this.#sessions.get(member.node)?.member.incarnation !== member.incarnation) return;
    this.#sessions.delete(member.node);
    this.#changed();
  }

  /** True when it took place; the claimer must have a live session (S1). */
  claim(member: Member, expected: Epoch | undefined): boolean {
    const session = this.#sessions.get(member.node);
    if (session?.member.incarnation !== member.incarnation || !this.#isAlive(session)) return false;
    if (this.#epoch !== expected) return false;
    this.#epoch = (expected ?? 0) + 1;
    this.#active = member.incarnation;
    this.#changed();
    return true;
  }

  holds(member: Member, epoch: Epoch): boolean {
    return this.#epoch === epoch && this.#active === member.incarnation;
  }

  /** `epoch` undefined: whichever it is. */
  resign(member: Member, epoch: Epoch | undefined): void {
    if (this.#active !== member.incarnation || (epoch !== undefined && epoch !== this.#epoch)) return;
    this.#active = undefined;
    this.#changed();
  }

  readRecord(app: AppName): VersionedAppRecord | undefined {
    return this.#records.get(app);
  }

  writeRecord(app: AppName, record: AppRecord, expectedVersion: number | undefined): boolean {
    if (this.#records.get(app)?.version !== expectedVersion) return false;
    this.#records.set(app, { version: (expectedVersion ?? 0) + 1, record: structuredClone(record) });
    return true;
  }

  deleteRecord(app: AppName): void {
    this.#records.delete(app);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #isAlive(session: Session): boolean {
    return this.clock.now_ms() < session.expiresAt_ms;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

interface Joined {
  readonly self: Member;
  readonly listener: CoordinatorListener;
}

export class MemoryCoordinator implements Coordinator {
  readonly sessionTimeout_ms: number;
  readonly #world: MemoryCoordination;
  readonly #wire: Wire;
  readonly #clock: Clock;
  #joined: Joined | undefined;
  #view: View | undefined;
  #renewedAt_ms = Number.NEGATIVE_INFINITY;
  #isLost = false;
  #isCut = false;
  #losesNextAnswer = false;
  #hasEnded = false;
  #refreshQueued = false;
  #beatTimer: Timer | undefined;
  #fenceTimer: Timer | undefined;
  #unsubscribe: () => void = () => undefined;

  constructor(world: MemoryCoordination, wire: Wire) {
    this.#world = world;
    this.#wire = wire;
    this.#clock = wire.clock;
    this.sessionTimeout_ms = world.sessionTimeout_ms;
  }

  // --- harm

  /** Nothing gets through any more, either way, and neither end is told. */
  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    this.#isCut = false;
  }

  /** The next claim or record takes effect, but its answer does not arrive. */
  loseNextAnswer(): void {
    this.#losesNextAnswer = true;
  }

  /** The process dies; the service notices at once, as it does when a connection closes. */
  kill(): void {
    this.#end();
    if (this.#joined !== undefined && !this.#isCut) this.#world.end(this.#joined.self);
  }

  // --- the port

  async join(self: Member, listener: CoordinatorListener): Promise<void> {
    if (this.#joined !== undefined) throw new Error('a coordinator joins once');
    if (!(await this.#request(() => this.#world.renew(self), this.#deadline()))) {
      throw new TandemError(
        'node-id-taken',
        `node id '${self.node}' is in use by another process. Give each node an id of its own.`,
        { blame: 'user' },
      );
    }
    this.#joined = { self, listener };
    this.#unsubscribe = this.#world.subscribe(() => {
      this.#wire.toClient(() => {
        if (!this.#hasEnded) this.#refreshSoon();
      });
    });
    await this.readView();
    this.#scheduleBeat();
  }

  async readView(): Promise<View> {
    if (this.#joined === undefined) return this.#request(() => this.#world.view(), this.#deadline());
    const until_ms = this.#deadline();
    return this.#attempt(until_ms, () => this.#renew('always', until_ms));
  }

  async claim(expected: Epoch | undefined): Promise<ClaimOutcome> {
    const { self } = this.#member();
    const until_ms = this.#deadline();
    const next = ((expected ?? 0) + 1) as Epoch;
    try {
      return await this.#attempt<ClaimOutcome>(until_ms, async () => {
        if (await this.#write(() => this.#world.claim(self, expected))) return { outcome: 'won', epoch: next };
        const view = await this.#renew('changes', until_ms);
        // An earlier try of ours whose answer was lost.
        if (view.epoch === next && view.active?.incarnation === self.incarnation)
          return { outcome: 'won', epoch: next };
        if (view.epoch !== expected) return { outcome: 'lost', view };
        throw new Error('our session was not alive');
      });
    } catch (thrown) {
      return { outcome: 'unknown', cause: toError(thrown) };
    }
  }

  async verify(epoch: Epoch): Promise<VerifyOutcome> {
    const { self } = this.#member();
    try {
      const until_ms = this.#deadline();
      const isHeld = await this.#attempt(until_ms, () => this.#request(() => this.#world.holds(self, epoch), until_ms));
      return isHeld ? 'current' : 'superseded';
    } catch {
      return 'unanswered';
    }
  }

  async resign(epoch: Epoch): Promise<void> {
    const { self } = this.#member();
    const until_ms = this.#deadline();
    await this.#request(() => {
      this.#world.resign(self, epoch);
    }, until_ms);
  }

  authorityUntil_ms(): number {
    return this.#renewedAt_ms + this.sessionTimeout_ms;
  }

  async readAppRecord(app: AppName): Promise<VersionedAppRecord | undefined> {
    return this.#request(() => structuredClone(this.#world.readRecord(app)), this.#deadline());
  }

  async writeAppRecord(app: AppName, record: AppRecord, expectedVersion: number | undefined): Promise<boolean> {
    let tries = 0;
    return this.#attempt(this.#deadline(), async () => {
      tries += 1;
      if (await this.#write(() => this.#world.writeRecord(app, record, expectedVersion))) return true;
      if (tries === 1) return false;
      const stored = await this.readAppRecord(app);
      return stored?.version === (expectedVersion ?? 0) + 1 && JSON.stringify(stored.record) === JSON.stringify(record);
    });
  }

  async deleteAppRecord(app: AppName): Promise<void> {
    await this.#request(() => {
      this.#world.deleteRecord(app);
    }, this.#deadline());
  }

  async leave(): Promise<void> {
    const joined = this.#joined;
    if (joined === undefined || this.#hasEnded) return;
    this.#end();
    const say = this.#request(() => {
      this.#world.resign(joined.self, undefined);
      this.#world.end(joined.self);
    }, this.#deadline());
    await say.catch(() => undefined);
  }

  // --- renewals and views

  #member(): Joined {
    if (this.#joined === undefined) throw new Error('join comes first');
    return this.#joined;
  }

  #end(): void {
    this.#hasEnded = true;
    this.#beatTimer?.cancel();
    this.#fenceTimer?.cancel();
    this.#unsubscribe();
  }

  #scheduleBeat(): void {
    this.#beatTimer = this.#after(this.sessionTimeout_ms / 4, () => {
      this.#refreshSoon();
      this.#scheduleBeat();
    });
  }

  #refreshSoon(): void {
    if (this.#refreshQueued) return;
    this.#refreshQueued = true;
    void this.#renew('changes', this.#clock.now_ms() + this.sessionTimeout_ms / 2).catch(() => undefined);
  }

  /** Renews and reads; tells the listener. */
  async #renew(tell: 'always' | 'changes', until_ms: number): Promise<View> {
    const { self } = this.#member();
    const sentAt_ms = this.#clock.now_ms();
    try {
      const view = await this.#request(() => {
        this.#refreshQueued = false;
        return this.#world.renew(self) ? this.#world.view() : undefined;
      }, until_ms);
      if (view === undefined) throw new Error(`node id '${self.node}' is in use by another process`);
      this.#confirmed(sentAt_ms, view, tell);
      return view;
    } finally {
      this.#refreshQueued = false;
    }
  }

  #confirmed(sentAt_ms: number, view: View, tell: 'always' | 'changes'): void {
    const { listener } = this.#member();
    // Answers may overtake each other; what an older one says is no longer news.
    if (this.#hasEnded || sentAt_ms < this.#renewedAt_ms) return;
    this.#renewedAt_ms = sentAt_ms;
    this.#fenceTimer?.cancel();
    const deadline_ms = sentAt_ms + (this.sessionTimeout_ms * 2) / 3;
    this.#fenceTimer = this.#after(deadline_ms - this.#clock.now_ms(), () => {
      this.#isLost = true;
      listener.onConnection('lost', 'no answer');
    });
    const isBack = this.#isLost;
    if (isBack || tell === 'always' || JSON.stringify(view) !== JSON.stringify(this.#view)) {
      this.#view = view;
      listener.onView(view);
    }
    if (isBack) {
      this.#isLost = false;
      listener.onConnection('back', 'the coordinator answers again');
    }
  }

  // --- messages

  #deadline(): number {
    return this.#clock.now_ms() + this.sessionTimeout_ms;
  }

  /** For ourselves: silent once the process has ended. */
  #after(delay_ms: number, callback: () => void): Timer {
    return this.#clock.after(Math.max(0, delay_ms), () => {
      if (!this.#hasEnded) callback();
    });
  }

  /** A request whose answer `loseNextAnswer` may take away; gives up early, so that there is time for another. */
  #write<T>(apply: () => T): Promise<T> {
    const losesAnswer = this.#losesNextAnswer;
    this.#losesNextAnswer = false;
    return this.#request(apply, this.#clock.now_ms() + this.sessionTimeout_ms / 2, losesAnswer);
  }

  #request<T>(apply: () => T, until_ms: number, losesAnswer = false): Promise<T> {
    const wire: Wire = {
      clock: this.#clock,
      toService: (arrive) => {
        if (this.#isCut) return;
        this.#wire.toService(() => {
          if (!this.#isCut && !this.#world.isDown) arrive();
        });
      },
      toClient: (arrive) => {
        if (losesAnswer) return;
        this.#wire.toClient(() => {
          if (!this.#isCut) arrive();
        });
      },
    };
    const late = (): Error => new TandemError('coordinator-unanswered', 'the coordinator did not answer in time');
    return request(wire, apply, Math.max(0, until_ms - this.#clock.now_ms()), late);
  }

  async #attempt<T>(until_ms: number, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        const left_ms = until_ms - this.#clock.now_ms();
        if (left_ms <= 0 || this.#hasEnded) throw thrown;
        await new Promise<void>((resolve) => {
          this.#clock.after(Math.min(left_ms, this.sessionTimeout_ms / 8), resolve);
        });
      }
    }
  }
}
