// A member's session: a connection that holds an advisory lock of its own for as long as it lives. Whoever gets that
// lock knows, within milliseconds of a crash, that the session has ended.
import { randomBytes } from 'node:crypto';
import { TandemError, toError, type Clock } from '@tandem/ports';
import { type Connection, openConnection } from './connection.ts';

export interface SessionOptions {
  readonly url: string;
  readonly node: string;
  readonly channel: string;
  readonly sessionTimeout_ms: number;
  readonly connectLimit_ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly until_ms?: number | undefined;
  readonly urgent?: boolean;
}

export class MemberSession {
  /** The advisory lock; chosen anew for each session, so that it is never waited for, nor taken again. */
  readonly key: string;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #waiting: (() => Promise<void>)[] = [];
  #isBusy = false;

  private constructor(connection: Connection, key: string, clock: Clock) {
    this.#connection = connection;
    this.key = key;
    this.#clock = clock;
  }

  /** @throws TandemError, DatabaseError */
  static async open(
    options: SessionOptions,
    prepare: (connection: Connection) => Promise<void>,
  ): Promise<MemberSession> {
    const connection = await openConnection({
      url: options.url,
      role: 'coordinator',
      node: options.node,
      connectLimit_ms: options.connectLimit_ms,
      queryLimit_ms: options.connectLimit_ms,
      signal: options.signal,
      settings: {
        // A holder that is stopped or cut off falls silent; only this ends its session on the server.
        idle_session_timeout: String(options.sessionTimeout_ms),
        // An epoch that has been seen must survive a crash of the server.
        synchronous_commit: 'on',
      },
    });
    try {
      const key = randomBytes(8).readBigInt64BE().toString();
      await prepare(connection);
      await connection.query(`LISTEN ${options.channel}`);
      await connection.query('SELECT pg_advisory_lock($1)', [key]);
      return new MemberSession(connection, key, options.clock);
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  get closed(): Promise<Error> {
    return this.#connection.closed;
  }

  onNotification(callback: () => void): void {
    this.#connection.onNotification = callback;
  }

  /**
   * One after the other; what a takeover waits for (`urgent`) goes before renewals that wait. What has not begun by
   * `until_ms` is not begun at all.
   */
  run<T>(
    work: (connection: Connection) => Promise<T>,
    { until_ms = Number.POSITIVE_INFINITY, urgent = false }: RunOptions = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const turn = async (): Promise<void> => {
        try {
          if (this.#clock.now_ms() >= until_ms) {
            throw new TandemError('coordinator-unanswered', 'the coordinator was busy until the deadline');
          }
          resolve(await work(this.#connection));
        } catch (thrown) {
          reject(toError(thrown));
        }
      };
      if (urgent) this.#waiting.unshift(turn);
      else this.#waiting.push(turn);
      if (!this.#isBusy) void this.#takeTurns();
    });
  }

  async #takeTurns(): Promise<void> {
    this.#isBusy = true;
    for (let turn = this.#waiting.shift(); turn !== undefined; turn = this.#waiting.shift()) await turn();
    this.#isBusy = false;
  }

  async close(limit_ms: number): Promise<void> {
    await this.#connection.close(limit_ms);
  }

  destroy(): void {
    this.#connection.destroy();
  }
}
