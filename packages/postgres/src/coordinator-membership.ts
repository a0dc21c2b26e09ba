// A member's presence: keeps a session open, renews the lease, reads views, and tells the listener what it learns.
import type { Member, View } from '@tandem/pair';
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
import { DatabaseError } from 'pg';
import { type Connection, isTransient } from './connection.ts';
import { MemberSession } from './coordinator-session.ts';
import {
  toView,
  type RegisteredRow,
  type RenewedRow,
  type SessionMember,
  type Statements,
} from './coordinator-statements.ts';
import { expireEnded, SessionWatch } from './coordinator-watch.ts';
import { migrate } from './migrations/index.ts';

/** Connecting takes as long as it takes on a busy machine, however short the session. */
const leastConnectLimit_ms = 2000;
/** The first time includes migrations. */
const leastJoinLimit_ms = 5000;
const rehearsals = 8;

export interface MembershipOptions {
  readonly url: string;
  readonly schema: string;
  readonly pair: string;
  readonly sessionTimeout_ms: number;
  readonly clock: Clock;
  readonly channel: string;
  readonly statements: Statements;
}

interface Told {
  readonly tell: 'always' | 'changes';
  readonly until_ms?: number;
}

export class Membership {
  readonly self: Member;
  readonly #options: MembershipOptions;
  readonly #listener: CoordinatorListener;
  readonly #clock: Clock;
  readonly #watch: SessionWatch;
  readonly #stop = new AbortController();
  #session: MemberSession | undefined;
  #keeper: Promise<void> = Promise.resolve();
  /** Those who wait for a session. */
  readonly #opened = new News();
  #view: View | undefined;
  /** Send time of the last renewal that was confirmed. */
  #renewedAt_ms = Number.NEGATIVE_INFINITY;
  #isLost = false;
  #trouble = 'no answer';
  #refreshQueued = false;
  #beatTimer: Timer | undefined;
  #fenceTimer: Timer | undefined;

  constructor(self: Member, listener: CoordinatorListener, options: MembershipOptions) {
    this.self = self;
    this.#options = options;
    this.#listener = listener;
    this.#clock = options.clock;
    this.#watch = new SessionWatch({
      ...options,
      node: self.node,
      answerLimit_ms: options.sessionTimeout_ms,
      onEnded: () => {
        this.refreshSoon();
      },
    });
  }

  /** @throws TandemError */
  async start(): Promise<void> {
    const session = await this.#open(Math.max(leastJoinLimit_ms, this.#options.sessionTimeout_ms));
    this.#keeper = this.#keep(session);
    this.#scheduleBeat();
  }

  /** Says good-bye where that is possible within one session time-out. Never throws. */
  async stop(): Promise<void> {
    this.#beatTimer?.cancel();
    this.#fenceTimer?.cancel();
    const session = this.#session;
    if (session !== undefined && !this.#stop.signal.aborted) {
      const { pair, statements, channel } = this.#options;
      const values = [pair, this.self.node, this.self.incarnation, channel];
      const until_ms = this.#clock.now_ms() + this.#options.sessionTimeout_ms;
      const say = session.run((connection) => connection.query(statements.leave, values), { until_ms });
      // Without an answer the row goes when it expires.
      await this.#before(until_ms, say).catch(() => undefined);
    }
    this.#stop.abort();
    await this.#watch.stop();
    await this.#keeper;
  }

  authorityUntil_ms(): number {
    return this.#renewedAt_ms + this.#options.sessionTimeout_ms;
  }

  /** Renews and reads, once for all who asked since the last one began. */
  refreshSoon(): void {
    const session = this.#session;
    if (session === undefined || this.#refreshQueued || this.#stop.signal.aborted) return;
    this.#refreshQueued = true;
    this.renew(session, { tell: 'changes' }).catch((thrown: unknown) => {
      this.#refreshQueued = false;
      this.#trouble = toError(thrown).message;
    });
  }

  /** Renews our lease and reads the view, in one statement; tells the listener. */
  async renew(session: MemberSession, { tell, until_ms }: Told): Promise<View> {
    const { pair, sessionTimeout_ms, statements } = this.#options;
    const values = [pair, this.self.node, this.self.incarnation, session.key, sessionTimeout_ms];
    return session.run(
      async (connection) => {
        this.#refreshQueued = false;
        const sentAt_ms = this.#clock.now_ms();
        const { rows } = await connection.query<RenewedRow>(statements.renew, values, (sessionTimeout_ms * 2) / 3);
        const row = rows[0];
        if (row?.renewed !== true) {
          // Our row is gone or another process has our node id: a new session finds out which.
          session.destroy();
          throw new TandemError(
            'member-displaced',
            `the coordinator does not know this session of '${this.self.node}'`,
          );
        }
        const { view, active } = toView(row, { ...this.self, key: session.key });
        this.#confirm(sentAt_ms, view, active, tell);
        return view;
      },
      { until_ms },
    );
  }

  /**
   * Tries until the deadline of one session time-out, over new sessions where need be.
   * @throws TandemError `coordinator-unanswered`, or what the server refused
   */
  async attempt<T>(what: string, work: (session: MemberSession, until_ms: number) => Promise<T>): Promise<T> {
    const { sessionTimeout_ms } = this.#options;
    const until_ms = this.#clock.now_ms() + sessionTimeout_ms;
    let cause: unknown;
    for (let tries = 0; ; tries += 1) {
      if (tries > 0) await pause(this.#clock, backoff_ms(tries, sessionTimeout_ms / 8), this.#stop.signal);
      if (this.#clock.now_ms() >= until_ms || this.#stop.signal.aborted) {
        const why = cause === undefined ? this.#trouble : toError(cause).message;
        throw new TandemError(
          'coordinator-unanswered',
          `the coordinator did not answer within ${String(sessionTimeout_ms)} ms: ${what} (${why})`,
          { cause },
        );
      }
      const session = this.#session ?? (await this.#nextSession(until_ms));
      if (session === undefined) continue;
      try {
        return await this.#before(until_ms, work(session, until_ms));
      } catch (thrown) {
        if (thrown instanceof DatabaseError && !isTransient(thrown)) throw thrown;
        cause = thrown;
      }
    }
  }

  // --- the session

  async #open(connectLimit_ms: number): Promise<MemberSession> {
    const { schema, pair, statements } = this.#options;
    const session = await MemberSession.open(
      { ...this.#options, node: this.self.node, connectLimit_ms, signal: this.#stop.signal },
      (connection) => migrate(connection, schema),
    );
    try {
      await session.run((connection) => this.#register(connection, session.key));
      await session.run((connection) => connection.query(statements.forget, [pair]));
      session.onNotification(() => {
        this.refreshSoon();
      });
      this.#session = session;
      await this.renew(session, { tell: 'always' });
      this.#opened.tell();
      this.#rehearse(session);
      return session;
    } catch (thrown) {
      this.#session = undefined;
      session.destroy();
      if (thrown instanceof TandemError) throw thrown;
      const message = `joining pair '${pair}' failed (${toError(thrown).message}). Check the database.`;
      throw new TandemError('coordinator-failed', message, { cause: thrown });
    }
  }

  /**
   * Goes a few times through what a takeover asks for, so that server and process have it ready then. No epoch is 0:
   * such a claim renews our lease and takes nothing.
   */
  #rehearse(session: MemberSession): void {
    const { pair, sessionTimeout_ms, statements, channel } = this.#options;
    const claim = [pair, this.self.node, this.self.incarnation, session.key, sessionTimeout_ms, 0, channel];
    for (let round = 0; round < rehearsals; round++) {
      const done = session.run(async (connection) => {
        await connection.query(statements.claim, claim);
        await connection.query(statements.pair, [pair]);
      });
      // Whatever goes wrong goes wrong with the session.
      done.catch(() => undefined);
    }
  }

  /** Enters; a dead predecessor is replaced at once, a silent one when its lease is over. */
  async #register(connection: Connection, key: string): Promise<void> {
    const { pair, sessionTimeout_ms, statements, channel } = this.#options;
    const { node, incarnation, address } = this.self;
    const values = [pair, node, incarnation, address, key, sessionTimeout_ms, channel];
    let seen: { readonly incarnation: string; readonly expires: string } | undefined;
    while (!this.#stop.signal.aborted) {
      const { rows } = await connection.query<RegisteredRow>(statements.register, values);
      const row = rows[0];
      if (row === undefined || row.renewed) return;
      const { rival } = row;
      if (rival === null) continue;
      const tried = await connection.query<{ ended: boolean }>(statements.trySessionEnd, [rival.key]);
      if (tried.rows[0]?.ended === true) {
        await expireEnded(connection, statements, pair, rival.key, channel);
        continue;
      }
      if (seen?.incarnation === rival.incarnation && seen.expires !== rival.expires) {
        throw new TandemError(
          'node-id-taken',
          `node id '${node}' is in use in pair '${pair}' by another process (${rival.incarnation}). Give each node an id of its own.`,
          { blame: 'user' },
        );
      }
      seen = rival;
      // Whether it lives shows within a quarter of the time-out, when it renews.
      await pause(this.#clock, sessionTimeout_ms / 8, this.#stop.signal);
    }
  }

  /** Has a session open at all times, trying for ever (L2). */
  async #keep(first: MemberSession): Promise<void> {
    const { sessionTimeout_ms } = this.#options;
    const { signal } = this.#stop;
    let session: MemberSession | undefined = first;
    let tries = 0;
    while (!signal.aborted) {
      if (session !== undefined) {
        const openedAt_ms = this.#clock.now_ms();
        this.#trouble = (await session.closed).message;
        this.#session = undefined;
        session = undefined;
        if (this.#clock.now_ms() - openedAt_ms > sessionTimeout_ms) tries = 0;
      }
      const wait_ms = tries === 0 ? 0 : backoff_ms(tries, Math.max(250, sessionTimeout_ms / 2));
      if ((await pause(this.#clock, wait_ms, signal)) === 'aborted') break;
      tries += 1;
      try {
        session = await this.#open(Math.max(leastConnectLimit_ms, sessionTimeout_ms));
      } catch (thrown) {
        this.#trouble = toError(thrown).message;
      }
    }
    session?.destroy();
    await session?.closed;
  }

  async #nextSession(until_ms: number): Promise<MemberSession | undefined> {
    await this.#opened.wait(this.#clock, until_ms, this.#stop.signal);
    return this.#session;
  }

  // --- what the listener hears

  #scheduleBeat(): void {
    this.#beatTimer = this.#clock.after(this.#options.sessionTimeout_ms / 4, () => {
      this.refreshSoon();
      this.#scheduleBeat();
    });
  }

  #confirm(sentAt_ms: number, view: View, active: SessionMember | undefined, tell: 'always' | 'changes'): void {
    if (this.#stop.signal.aborted) return;
    this.#renewedAt_ms = sentAt_ms;
    this.#armFence(sentAt_ms);
    const isOther = active !== undefined && active.incarnation !== this.self.incarnation;
    this.#watch.watch(isOther ? active.key : undefined);
    const isBack = this.#isLost;
    if (isBack || tell === 'always' || JSON.stringify(view) !== JSON.stringify(this.#view)) {
      this.#view = view;
      this.#listener.onView(view);
    }
    if (isBack) {
      this.#isLost = false;
      this.#listener.onConnection('back', 'the coordinator answers again');
    }
  }

  /** The self-fence deadline: two thirds of a session time-out after the renewal was sent. */
  #armFence(sentAt_ms: number): void {
    this.#fenceTimer?.cancel();
    const deadline_ms = sentAt_ms + (this.#options.sessionTimeout_ms * 2) / 3;
    this.#fenceTimer = this.#clock.after(deadline_ms - this.#clock.now_ms(), () => {
      this.#isLost = true;
      this.#listener.onConnection('lost', this.#trouble);
    });
  }

  async #before<T>(until_ms: number, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.#clock.after(until_ms - this.#clock.now_ms(), () => {
        reject(new TandemError('coordinator-unanswered', 'no answer in time'));
      });
      const cancel = () => {
        timer.cancel();
      };
      work.then(resolve, reject).then(cancel, cancel);
    });
  }
}
