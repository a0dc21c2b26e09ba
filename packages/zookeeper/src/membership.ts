// A member's presence: keeps a session and a connection, renews its entry, reads views, and tells the listener what
// it learns. A renewal is a write of our own entry: it goes by way of the leader and proves that the session lives. Once
// per session time-out, and whenever something may have changed, the pair's state is read after it on the same
// connection, which makes the reads as new as the write.
import type { Epoch, Member, View } from '@tandem/pair';
import {
  backoff_ms,
  News,
  pause,
  TandemError,
  toError,
  type Clock,
  type CoordinatorListener,
  type Timer,
} from '@tandem/ports';
import { Authority } from './authority.ts';
import type { Connection } from './connection.ts';
import { memberText } from './entries.ts';
import { makeLayout } from './layout.ts';
import { readPairState, type PairState } from './pair-state.ts';
import { register } from './registration.ts';
import { Session, type SessionOptions } from './session.ts';
import type { Access, Znodes } from './znodes.ts';

const beatsPerSession = 4;

/** The first time includes making the znodes. */
const leastJoinLimit_ms = 5000;

export interface MembershipOptions extends SessionOptions {
  readonly pair: string;
  readonly znodes: Znodes;
  readonly access: Access;
}

type Tell = 'always' | 'changes';

interface Renewal {
  /** The write is done. */
  readonly confirmed: Promise<void>;
  readonly sentAt_ms: number;
}

export class Membership {
  readonly self: Member;
  readonly #options: MembershipOptions;
  readonly #listener: CoordinatorListener;
  readonly #clock: Clock;
  readonly #session: Session;
  readonly #authority: Authority;
  readonly #stop = new AbortController();
  #sessionTimeout_ms: number;
  #connection: Connection | undefined;
  #keeper: Promise<void> = Promise.resolve();
  /** Those who wait for a connection. */
  readonly #opened = new News();
  /** Of our entry, once all writes that have been sent are done. */
  #entryVersion = 0;
  #known: PairState | undefined;
  #told: View | undefined;
  /** Reads are numbered as they are sent; what an older one says is no longer news. */
  #reads = 0;
  #newestRead = 0;
  #refreshQueued = false;
  #trouble = 'no answer';
  #beatTimer: Timer | undefined;
  #beats = 0;

  constructor(self: Member, listener: CoordinatorListener, options: MembershipOptions) {
    this.self = self;
    this.#options = options;
    this.#listener = listener;
    this.#clock = options.clock;
    this.#session = new Session(options);
    this.#sessionTimeout_ms = options.sessionTimeout_ms;
    this.#authority = new Authority(options.clock, () => {
      this.#loseAuthority();
    });
  }

  /** Negotiated; what was asked for until then. */
  get sessionTimeout_ms(): number {
    return this.#sessionTimeout_ms;
  }

  /** As last read; undefined while there is no connection. */
  get known(): PairState | undefined {
    return this.#connection === undefined ? undefined : this.#known;
  }

  /** @throws TandemError */
  async start(): Promise<void> {
    const joinLimit_ms = Math.max(leastJoinLimit_ms, this.#sessionTimeout_ms);
    const until_ms = this.#clock.now_ms() + joinLimit_ms;
    const connection = await this.#session.connect({ until_ms, signal: this.#stop.signal });
    try {
      await this.#enter(connection);
    } catch (thrown) {
      await connection.end(this.#sessionTimeout_ms);
      if (thrown instanceof TandemError) throw thrown;
      const text = `joining pair '${this.#options.pair}' failed (${toError(thrown).message}). Check ZooKeeper.`;
      throw new TandemError('coordinator-failed', text, { cause: thrown });
    }
    this.#keeper = this.#keep(connection);
    this.#scheduleBeat();
  }

  /** Ends the session where that is possible within one session time-out. Never throws. */
  async stop(): Promise<void> {
    this.#beatTimer?.cancel();
    this.#authority.stop();
    const connection = this.#connection;
    this.#connection = undefined;
    this.#stop.abort();
    // Without an answer the entries go when the session expires.
    await connection?.end(this.#sessionTimeout_ms);
    await this.#keeper;
  }

  authorityUntil_ms(): number {
    return this.#authority.until_ms();
  }

  /** Reads, once for all who asked before it began. */
  refreshSoon(): void {
    if (this.#refreshQueued) return;
    this.#refreshQueued = true;
    // Several changes arrive at once, as one change of several znodes.
    queueMicrotask(() => {
      this.#refreshQueued = false;
      const connection = this.#connection;
      if (connection === undefined) return;
      // Whatever goes wrong goes wrong with the connection, or is done again by the next read.
      this.#read(connection, 'changes').catch((thrown: unknown) => {
        this.#trouble = toError(thrown).message;
      });
    });
  }

  /** Writes our entry and reads the state of the pair after it; tells the listener. */
  async renew(connection: Connection, tell: Tell): Promise<PairState> {
    const renewal = this.#renewEntry(connection);
    const [state] = await Promise.all([this.#read(connection, tell, renewal), renewal.confirmed]);
    return state;
  }

  /** A claim of ours has taken place: nothing that was read before is news any more. */
  hasClaimed(epoch: Epoch, epochVersion: number): void {
    const members = this.#known?.view.members ?? [];
    this.#known = { view: { epoch, active: this.self, members }, epochVersion, hasActive: true };
    this.#reads += 1;
    this.#newestRead = this.#reads;
    this.refreshSoon();
  }

  /**
   * Tries until the deadline of one session time-out, over new connections where need be.
   * @throws TandemError `coordinator-unanswered`, or what a user did wrong
   */
  async attempt<T>(what: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const limit_ms = this.#sessionTimeout_ms;
    const until_ms = this.#clock.now_ms() + limit_ms;
    let cause: Error | undefined;
    for (let tries = 0; ; tries += 1) {
      if (tries > 0) await pause(this.#clock, Math.min(10, limit_ms / 8), this.#stop.signal);
      if (this.#hasLeft()) throw new TandemError('coordinator-unanswered', `left before it was done: ${what}`);
      if (this.#clock.now_ms() >= until_ms) {
        const text = `the coordinator did not answer within ${String(limit_ms)} ms: ${what} (${cause?.message ?? this.#trouble})`;
        throw new TandemError('coordinator-unanswered', text, { cause });
      }
      const connection = this.#connection ?? (await this.#nextConnection(until_ms));
      if (connection === undefined) continue;
      try {
        return await this.#before(until_ms, work(connection));
      } catch (thrown) {
        cause = toError(thrown);
        if (cause instanceof TandemError && cause.blame === 'user') throw cause;
      }
    }
  }

  #hasLeft(): boolean {
    return this.#stop.signal.aborted;
  }

  // --- the connection

  /** Whatever was held in an earlier session is looked for and, unless another has taken it, held again. */
  async #enter(connection: Connection): Promise<void> {
    const { znodes, access } = this.#options;
    this.#sessionTimeout_ms = connection.sessionTimeout_ms;
    await makeLayout(connection, znodes, access);
    this.#entryVersion = await register(connection, this.self, { ...this.#options, signal: this.#stop.signal });
    this.#newestRead = this.#reads;
    await this.renew(connection, 'always');
    this.#connection = connection;
    this.#opened.tell();
  }

  /** Has a connection at all times, trying for ever (L2). */
  async #keep(first: Connection): Promise<void> {
    let connection: Connection | undefined = first;
    while (connection !== undefined) {
      const openedAt_ms = this.#clock.now_ms();
      this.#trouble = (await connection.closed).message;
      this.#connection = undefined;
      const hasLasted = this.#clock.now_ms() - openedAt_ms > this.#sessionTimeout_ms / 4;
      connection = await this.#reopen(hasLasted ? 0 : 1);
    }
  }

  /** Undefined once we have left. */
  async #reopen(tries: number): Promise<Connection | undefined> {
    const { signal } = this.#stop;
    const onFailure = (cause: Error): void => {
      this.#trouble = cause.message;
    };
    for (; ; tries += 1) {
      if (tries > 0) await pause(this.#clock, backoff_ms(tries, this.#sessionTimeout_ms / 4), signal);
      if (this.#hasLeft()) return undefined;
      const connection = await this.#session.connect({ signal, onFailure }).catch(onFailure);
      if (connection === undefined) continue;
      try {
        await this.#enter(connection);
        if (!this.#hasLeft()) return connection;
      } catch (thrown) {
        onFailure(toError(thrown));
      }
      if (this.#hasLeft()) await connection.end(this.#sessionTimeout_ms);
      else connection.destroy(new Error(this.#trouble));
    }
  }

  async #nextConnection(until_ms: number): Promise<Connection | undefined> {
    await this.#opened.wait(this.#clock, until_ms, this.#stop.signal);
    return this.#connection;
  }

  // --- what the listener hears

  #scheduleBeat(): void {
    this.#beatTimer = this.#clock.after(this.#sessionTimeout_ms / beatsPerSession, () => {
      const connection = this.#connection;
      if (connection !== undefined) {
        this.#beat(connection).catch((thrown: unknown) => {
          this.#trouble = toError(thrown).message;
        });
      }
      this.#scheduleBeat();
    });
  }

  /** Changes are told by watches; now and then the state is read all the same. */
  async #beat(connection: Connection): Promise<void> {
    this.#beats += 1;
    if (this.#beats % beatsPerSession === 0) {
      await this.renew(connection, 'changes');
      return;
    }
    const { confirmed, sentAt_ms } = this.#renewEntry(connection);
    await confirmed;
    // Authority that is lost ends the connection: it comes back with the next one, after a read.
    if (this.#connection === connection) this.#authority.confirm(sentAt_ms, this.#sessionTimeout_ms);
  }

  #renewEntry(connection: Connection): Renewal {
    const { znodes, access } = this.#options;
    const path = znodes.member(this.self.node);
    const sentAt_ms = this.#clock.now_ms();
    const beat = connection.change(
      [{ step: 'set', path, text: memberText(this.self), version: this.#entryVersion }],
      access.own,
    );
    this.#entryVersion += 1;
    const confirmed = beat.then((outcome) => {
      if (outcome !== 'done') {
        // Our entry is gone or another process has our node id: entering again finds out which.
        const displaced = new TandemError('member-displaced', `${path} is not ours any more`);
        connection.destroy(displaced);
        throw displaced;
      }
    });
    return { confirmed, sentAt_ms };
  }

  /** Watches are set again with every read; those that fired unheard are made up for by the next one. */
  async #read(connection: Connection, tell: Tell, renewal?: Renewal): Promise<PairState> {
    this.#reads += 1;
    const number = this.#reads;
    const state = await readPairState(connection, this.#options.znodes, {
      onChange: this.#onChange,
      expected: this.#known?.view.members ?? [],
    });
    await renewal?.confirmed;
    if (state === undefined || state.epochVersion === 0) {
      // Somebody's hand was here: entering again makes what is missing.
      const gone = new Error(`the znodes of pair '${this.#options.pair}' are not as they were made`);
      connection.destroy(gone);
      throw gone;
    }
    this.#learn(state, number, tell, renewal?.sentAt_ms);
    return state;
  }

  readonly #onChange = (): void => {
    this.refreshSoon();
  };

  #learn(state: PairState, number: number, tell: Tell, sentAt_ms: number | undefined): void {
    if (this.#hasLeft()) return;
    const isBack = sentAt_ms !== undefined && this.#authority.confirm(sentAt_ms, this.#sessionTimeout_ms);
    if (number >= this.#newestRead) {
      this.#newestRead = number;
      this.#known = state;
      if (isBack || tell === 'always' || JSON.stringify(state.view) !== JSON.stringify(this.#told)) {
        this.#told = state.view;
        this.#listener.onView(state.view);
      }
    }
    if (isBack) this.#listener.onConnection('back', 'the coordinator answers again');
  }

  #loseAuthority(): void {
    // Nothing more is expected of it, though it may look open.
    this.#connection?.destroy(new TandemError('coordinator-unanswered', 'ZooKeeper did not answer in time'));
    this.#listener.onConnection('lost', this.#trouble);
  }

  #before<T>(until_ms: number, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.#clock.after(Math.max(0, until_ms - this.#clock.now_ms()), () => {
        reject(new TandemError('coordinator-unanswered', 'no answer in time'));
      });
      const cancel = () => {
        timer.cancel();
      };
      work.then(resolve, reject).then(cancel, cancel);
    });
  }
}
