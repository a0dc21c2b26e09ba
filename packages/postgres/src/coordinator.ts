// The Coordinator on PostgreSQL. Three things, each for its purpose: the epoch row decides (compare-and-set, S1),
// the member's lease on the server's clock bounds how long a silent holder counts, and an advisory lock held by the
// member's session tells of a crash within milliseconds.
import type { AppName, Epoch, Member, View } from '@tandem/pair';
import {
  TandemError,
  toError,
  type AppRecord,
  type ClaimOutcome,
  type Clock,
  type Coordinator,
  type CoordinatorListener,
  type CoordinatorReader,
  type Timer,
  type VerifyOutcome,
  type VersionedAppRecord,
} from '@tandem/ports';
import { DatabaseError } from 'pg';
import { deleteApp, readApp, writeApp } from './coordinator-records.ts';
import { MemberSession } from './coordinator-session.ts';
import {
  epochFromText,
  makeStatements,
  toView,
  type PairRow,
  type RegisteredRow,
  type RenewedRow,
  type SessionMember,
  type Statements,
  type ViewRow,
} from './coordinator-statements.ts';
import { expireEnded, SessionWatch } from './coordinator-watch.ts';
import { type Connection, isTransient, openConnection } from './connection.ts';
import { migrate } from './migrations/index.ts';
import { backoff_ms, pause } from './pause.ts';
import { channelName } from './schema.ts';

export interface PostgresCoordinatorOptions {
  /** Of the primary, and not through a pooler that shares sessions. */
  readonly url: string;
  readonly schema: string;
  readonly pair: string;
  readonly sessionTimeout_ms: number;
  readonly clock: Clock;
}

export function createPostgresCoordinator(options: PostgresCoordinatorOptions): Coordinator {
  return new PostgresCoordinator(options);
}

/** For tools that only look, joined or not. */
export function createPostgresCoordinatorReader(options: Omit<PostgresCoordinatorOptions, 'sessionTimeout_ms'>) {
  const reader: CoordinatorReader = new PostgresCoordinator({ ...options, sessionTimeout_ms: 5000 });
  return reader;
}

interface Joined {
  readonly self: Member;
  readonly listener: CoordinatorListener;
  readonly watch: SessionWatch;
}

/**
 * What counts as active: the holder of the newest claim, while its member row is unexpired by the server's clock.
 * A row is renewed every quarter of the session time-out, expires one session time-out after its last renewal, and
 * at once when another member finds that the session behind it has ended. A member that comes back with the same
 * incarnation before anybody else claimed is active again, in the same epoch.
 */
class PostgresCoordinator implements Coordinator {
  readonly sessionTimeout_ms: number;
  readonly #options: PostgresCoordinatorOptions;
  readonly #clock: Clock;
  readonly #statements: Statements;
  readonly #channel: string;
  readonly #stop = new AbortController();
  #joined: Joined | undefined;
  #session: MemberSession | undefined;
  /** Keeps a session open; ends after `leave`. */
  #keeper: Promise<void> = Promise.resolve();
  /** Those who wait for a session. */
  #onSession = new Set<() => void>();
  #view: View | undefined;
  /** Send time of the last renewal that was confirmed. */
  #renewedAt_ms = Number.NEGATIVE_INFINITY;
  #isLost = false;
  #trouble = 'no answer';
  #refreshQueued = false;
  #beatTimer: Timer | undefined;
  #fenceTimer: Timer | undefined;

  constructor(options: PostgresCoordinatorOptions) {
    this.#options = options;
    this.sessionTimeout_ms = options.sessionTimeout_ms;
    this.#clock = options.clock;
    this.#statements = makeStatements(options.schema);
    this.#channel = channelName('pair', options.schema, options.pair);
  }

  async join(self: Member, listener: CoordinatorListener): Promise<void> {
    if (this.#joined !== undefined) throw new Error('a coordinator joins once');
    const { url, pair } = this.#options;
    const watch = new SessionWatch({
      url,
      node: self.node,
      pair,
      channel: this.#channel,
      statements: this.#statements,
      answerLimit_ms: this.sessionTimeout_ms,
      clock: this.#clock,
      onEnded: () => {
        this.#refreshSoon();
      },
    });
    this.#joined = { self, listener, watch };
    try {
      // The first time includes migrations, and connecting to a server that has just been started.
      const session = await this.#openSession(Math.max(5000, this.sessionTimeout_ms));
      this.#keeper = this.#keepSession(session);
    } catch (thrown) {
      this.#joined = undefined;
      throw thrown;
    }
    this.#scheduleBeat();
  }

  async readView(): Promise<View> {
    if (this.#joined === undefined) return this.#readAsGuest();
    return this.#attempt('read the view', (session, until_ms) => this.#renew(session, { tell: 'always', until_ms }));
  }

  async claim(expected: Epoch | undefined): Promise<ClaimOutcome> {
    const { self } = this.#member();
    const next = (expected ?? 0) + 1;
    try {
      return await this.#attempt<ClaimOutcome>('claim', async (session, until_ms) => {
        const won = await session.run((connection) => this.#sendClaim(connection, session.key, expected), until_ms);
        if (won) {
          this.#refreshSoon();
          return { outcome: 'won', epoch: next as Epoch };
        }
        const view = await this.#renew(session, { tell: 'changes', until_ms });
        // An earlier try of ours whose answer was lost.
        if (view.epoch === next && view.active?.incarnation === self.incarnation) {
          return { outcome: 'won', epoch: view.epoch };
        }
        // From here on no earlier try can succeed any more: the epoch it expects is gone.
        if (view.epoch !== expected) return { outcome: 'lost', view };
        throw new TandemError('coordinator-unanswered', 'the claim found neither the expected epoch nor another one');
      });
    } catch (thrown) {
      return { outcome: 'unknown', cause: toError(thrown) };
    }
  }

  async verify(epoch: Epoch): Promise<VerifyOutcome> {
    const { self } = this.#member();
    try {
      return await this.#attempt<VerifyOutcome>('verify', async (session, until_ms) => {
        const { pair } = this.#statements;
        const { rows } = await session.run(
          (connection) => connection.query<PairRow>(pair, [this.#options.pair], this.#answerLimit_ms),
          until_ms,
        );
        const row = rows[0];
        // A standby may lag behind a claim.
        if (row?.standby === true) return 'unanswered';
        const isCurrent = row !== undefined && epochFromText(row.epoch) === epoch && row.active === self.incarnation;
        return isCurrent ? 'current' : 'superseded';
      });
    } catch {
      return 'unanswered';
    }
  }

  async resign(epoch: Epoch): Promise<void> {
    const { self } = this.#member();
    await this.#attempt('resign', async (session, until_ms) => {
      const values = [this.#options.pair, self.incarnation, epoch, this.#channel];
      await session.run(
        (connection) => connection.query(this.#statements.resign, values, this.#answerLimit_ms),
        until_ms,
      );
    });
    this.#refreshSoon();
  }

  authorityUntil_ms(): number {
    return this.#renewedAt_ms + this.sessionTimeout_ms;
  }

  async readAppRecord(app: AppName): Promise<VersionedAppRecord | undefined> {
    return this.#withConnection('read an app record', (connection) =>
      readApp(connection, this.#statements, this.#options.pair, app),
    );
  }

  async writeAppRecord(app: AppName, record: AppRecord, expectedVersion: number | undefined): Promise<boolean> {
    let tries = 0;
    return this.#withConnection('write an app record', (connection) => {
      tries += 1;
      return writeApp(connection, this.#statements, this.#options.pair, app, record, expectedVersion, tries > 1);
    });
  }

  async deleteAppRecord(app: AppName): Promise<void> {
    await this.#withConnection('delete an app record', (connection) =>
      deleteApp(connection, this.#statements, this.#options.pair, app),
    );
  }

  async leave(): Promise<void> {
    const joined = this.#joined;
    if (joined === undefined || this.#stop.signal.aborted) {
      await this.#keeper;
      return;
    }
    this.#beatTimer?.cancel();
    this.#fenceTimer?.cancel();
    const session = this.#session;
    if (session !== undefined) {
      const { self } = joined;
      const values = [this.#options.pair, self.node, self.incarnation, this.#channel];
      const until_ms = this.#clock.now_ms() + this.sessionTimeout_ms;
      const say = session.run((connection) => connection.query(this.#statements.leave, values), until_ms);
      // Without an answer the row goes when it expires.
      await this.#before(until_ms, say).catch(() => undefined);
    }
    this.#stop.abort();
    await joined.watch.stop();
    await this.#keeper;
  }

  /** One attempt's share of a call's deadline, so that there is time left for another over a new session. */
  get #answerLimit_ms(): number {
    return this.sessionTimeout_ms / 2;
  }

  #member(): Joined {
    if (this.#joined === undefined) throw new Error('join comes first');
    return this.#joined;
  }

  // --- the session

  async #openSession(connectLimit_ms: number): Promise<MemberSession> {
    const { url, schema, pair } = this.#options;
    const { self } = this.#member();
    const session = await MemberSession.open(
      {
        url,
        node: self.node,
        channel: this.#channel,
        sessionTimeout_ms: this.sessionTimeout_ms,
        connectLimit_ms,
        clock: this.#clock,
        signal: this.#stop.signal,
      },
      (connection) => migrate(connection, schema),
    );
    try {
      await session.run((connection) => this.#register(connection, session.key));
      await session.run((connection) => connection.query(this.#statements.forget, [pair]));
      session.onNotification(() => {
        this.#refreshSoon();
      });
      this.#session = session;
      await this.#renew(session, { tell: 'always' });
      for (const tell of this.#onSession) tell();
      return session;
    } catch (thrown) {
      this.#session = undefined;
      session.destroy();
      throw thrown;
    }
  }

  /** Enters; a dead predecessor is replaced at once, one that has not been heard of for a session time-out then. */
  async #register(connection: Connection, key: string): Promise<void> {
    const { self } = this.#member();
    const { pair } = this.#options;
    const values = [pair, self.node, self.incarnation, self.address, key, this.sessionTimeout_ms, this.#channel];
    let seen: { readonly incarnation: string; readonly expires: string } | undefined;
    while (!this.#stop.signal.aborted) {
      const { rows } = await connection.query<RegisteredRow>(this.#statements.register, values);
      const row = rows[0];
      if (row === undefined || row.renewed) return;
      const { rival } = row;
      if (rival === null) continue;
      const tried = await connection.query<{ ended: boolean }>(this.#statements.trySessionEnd, [rival.key]);
      if (tried.rows[0]?.ended === true) {
        await expireEnded(connection, this.#statements, pair, rival.key, this.#channel);
        continue;
      }
      if (seen?.incarnation === rival.incarnation && seen.expires !== rival.expires) {
        throw new TandemError(
          'node-id-taken',
          `node id '${self.node}' is in use in pair '${pair}' by another process (${rival.incarnation}). Give each node an id of its own.`,
          { blame: 'user' },
        );
      }
      seen = rival;
      // Alive or not shows within a quarter of the time-out, when it renews.
      await pause(this.#clock, this.sessionTimeout_ms / 8, this.#stop.signal);
    }
  }

  /** Has a session open at all times, trying for ever (L2). */
  async #keepSession(first: MemberSession): Promise<void> {
    const { signal } = this.#stop;
    let session: MemberSession | undefined = first;
    let tries = 0;
    while (!signal.aborted) {
      if (session !== undefined) {
        const openedAt_ms = this.#clock.now_ms();
        this.#trouble = (await session.closed).message;
        this.#session = undefined;
        session = undefined;
        if (this.#clock.now_ms() - openedAt_ms > this.sessionTimeout_ms) tries = 0;
      }
      if (tries > 0) await pause(this.#clock, backoff_ms(tries, Math.max(250, this.#answerLimit_ms)), signal);
      if (signal.aborted) break;
      tries += 1;
      try {
        session = await this.#openSession(Math.max(2000, this.sessionTimeout_ms));
      } catch (thrown) {
        this.#trouble = toError(thrown).message;
      }
    }
    session?.destroy();
    await session?.closed;
  }

  // --- renewals and views

  #scheduleBeat(): void {
    this.#beatTimer = this.#clock.after(this.sessionTimeout_ms / 4, () => {
      this.#refreshSoon();
      this.#scheduleBeat();
    });
  }

  /** Renews and reads, once for all who asked since the last one began. */
  #refreshSoon(): void {
    const session = this.#session;
    if (session === undefined || this.#refreshQueued || this.#stop.signal.aborted) return;
    this.#refreshQueued = true;
    void this.#renew(session, { tell: 'changes' })
      .catch((thrown: unknown) => {
        this.#trouble = toError(thrown).message;
      })
      .finally(() => {
        this.#refreshQueued = false;
      });
  }

  /** Renews our lease and reads the view, in one statement; tells the listener. */
  async #renew(
    session: MemberSession,
    options: { readonly tell: 'always' | 'changes'; readonly until_ms?: number },
  ): Promise<View> {
    const { self } = this.#member();
    const values = [this.#options.pair, self.node, self.incarnation, session.key, this.sessionTimeout_ms];
    return session.run(async (connection) => {
      this.#refreshQueued = false;
      const sentAt_ms = this.#clock.now_ms();
      const limit_ms = (this.sessionTimeout_ms * 2) / 3;
      const { rows } = await connection.query<RenewedRow>(this.#statements.renew, values, limit_ms);
      const row = rows[0];
      if (row?.renewed !== true) {
        // Our row is gone or another process has our node id: a new session finds out which.
        session.destroy();
        throw new TandemError(
          'member-displaced',
          `the coordinator no longer knows node '${self.node}' by this session`,
        );
      }
      const { view, active } = toView(row, { ...self, key: session.key });
      this.#confirmed(sentAt_ms, view, options.tell, active);
      return view;
    }, options.until_ms);
  }

  #confirmed(sentAt_ms: number, view: View, tell: 'always' | 'changes', active: SessionMember | undefined): void {
    const { self, listener, watch } = this.#member();
    if (this.#stop.signal.aborted) return;
    this.#renewedAt_ms = sentAt_ms;
    this.#fenceTimer?.cancel();
    const deadline_ms = sentAt_ms + (this.sessionTimeout_ms * 2) / 3;
    this.#fenceTimer = this.#clock.after(deadline_ms - this.#clock.now_ms(), () => {
      this.#isLost = true;
      listener.onConnection('lost', this.#trouble);
    });
    watch.watch(active === undefined || active.incarnation === self.incarnation ? undefined : active.key);
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

  // --- calls

  async #sendClaim(connection: Connection, key: string, expected: Epoch | undefined): Promise<boolean> {
    const { self } = this.#member();
    const us = [this.#options.pair, self.node, self.incarnation, key, this.sessionTimeout_ms];
    const { rowCount } =
      expected === undefined
        ? await connection.query(this.#statements.claimFirst, [...us, this.#channel], this.#answerLimit_ms)
        : await connection.query(this.#statements.claim, [...us, expected, this.#channel], this.#answerLimit_ms);
    return rowCount === 1;
  }

  /** Tries, over new sessions where need be, until the deadline of one session time-out. */
  async #attempt<T>(what: string, work: (session: MemberSession, until_ms: number) => Promise<T>): Promise<T> {
    const until_ms = this.#clock.now_ms() + this.sessionTimeout_ms;
    let cause: unknown;
    for (let tries = 0; ; tries += 1) {
      if (tries > 0) await pause(this.#clock, backoff_ms(tries, this.sessionTimeout_ms / 8), this.#stop.signal);
      if (this.#clock.now_ms() >= until_ms || this.#stop.signal.aborted) {
        throw new TandemError(
          'coordinator-unanswered',
          `the coordinator did not answer within ${String(this.sessionTimeout_ms)} ms: ${what} (${toError(cause ?? this.#trouble).message})`,
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

  async #nextSession(until_ms: number): Promise<MemberSession | undefined> {
    const given = new AbortController();
    const tell = () => {
      given.abort();
    };
    this.#onSession.add(tell);
    this.#stop.signal.addEventListener('abort', tell);
    await pause(this.#clock, until_ms - this.#clock.now_ms(), given.signal);
    this.#onSession.delete(tell);
    this.#stop.signal.removeEventListener('abort', tell);
    return this.#session;
  }

  async #before<T>(until_ms: number, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.#clock.after(until_ms - this.#clock.now_ms(), () => {
        reject(new TandemError('coordinator-unanswered', 'no answer in time'));
      });
      work.then(resolve, reject).finally(() => {
        timer.cancel();
      });
    });
  }

  /** Over the session of a member, over a connection of its own otherwise. */
  async #withConnection<T>(what: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#joined !== undefined) {
      return this.#attempt(what, (session, until_ms) => session.run(work, until_ms));
    }
    const connection = await openConnection({ url: this.#options.url, role: 'tool' });
    try {
      await migrate(connection, this.#options.schema);
      return await work(connection);
    } finally {
      await connection.close();
    }
  }

  async #readAsGuest(): Promise<View> {
    const connection = await openConnection({ url: this.#options.url, role: 'tool' });
    try {
      const { rows } = await connection.query<ViewRow>(this.#statements.view, [this.#options.pair]);
      return rows[0] === undefined ? noView : toView(rows[0]).view;
    } catch (thrown) {
      // No schema or no tables: nobody has ever been here.
      if (thrown instanceof DatabaseError && (thrown.code === '42P01' || thrown.code === '3F000')) return noView;
      throw thrown;
    } finally {
      await connection.close();
    }
  }
}

const noView: View = { epoch: undefined, active: undefined, members: [] };
