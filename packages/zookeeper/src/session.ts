// A session outlives its connections: when one breaks, the next one, to whichever server answers, takes it up again
// while the servers still know it, and begins a new one otherwise.
import { backoff_ms, pause, TandemError, toError, type Clock } from '@tandem/ports';
import { Connection, SessionExpired, type Credentials, type SessionKey } from './connection.ts';
import { showServer, type Server } from './connect-string.ts';

/** How long a server has to answer, where there is another one to ask or a session that runs out meanwhile. */
const leastConnectLimit_ms = 250;
/** Connecting takes as long as it takes on a busy machine, however short the session. */
const longConnectLimit_ms = 2000;

export interface SessionOptions {
  readonly servers: readonly Server[];
  readonly credentials: Credentials | undefined;
  /** Asked for. */
  readonly sessionTimeout_ms: number;
  readonly clock: Clock;
}

export interface ConnectOptions {
  /** Never, unless given. */
  readonly until_ms?: number;
  /** How often each server is asked; without end, unless given. */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
  readonly onFailure?: (cause: Error) => void;
}

export class Session {
  readonly #options: SessionOptions;
  /** In an order of our own, so that not all clients ask the same server first. */
  readonly #servers: readonly Server[];
  #next = 0;
  #failures = 0;
  /** Tries that took all their time. A server that refuses is not slow. */
  #unanswered = 0;
  #key: SessionKey | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    const start = Math.floor(Math.random() * options.servers.length);
    this.#servers = [...options.servers.slice(start), ...options.servers.slice(0, start)];
  }

  /**
   * Tries one server after the other until one answers. @throws TandemError `coordinator-unreachable` when none did
   * within the limits, or what was the matter when it is aborted.
   */
  async connect(options: ConnectOptions): Promise<Connection> {
    const { until_ms = Number.POSITIVE_INFINITY, rounds = Number.POSITIVE_INFINITY, signal, onFailure } = options;
    const { clock } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const left_ms = until_ms - clock.now_ms();
      try {
        return await this.#tryNext(Math.min(left_ms, this.#limit_ms()), signal);
      } catch (thrown) {
        const cause = toError(thrown);
        if (cause instanceof SessionExpired && this.#key !== undefined) {
          this.#key = undefined;
          continue;
        }
        this.#next += 1;
        this.#failures += 1;
        if (cause instanceof TandemError && cause.code === 'zookeeper-unanswered') this.#unanswered += 1;
        onFailure?.(cause);
        if (signal?.aborted === true) throw cause;
        if (clock.now_ms() >= until_ms || tries >= rounds * this.#servers.length) throw this.#unreachable(cause);
      }
      if (this.#failures % this.#servers.length === 0) await this.#pauseBetweenRounds(until_ms, signal);
    }
  }

  async #tryNext(connectLimit_ms: number, signal: AbortSignal | undefined): Promise<Connection> {
    const { sessionTimeout_ms, credentials, clock } = this.#options;
    const server = this.#servers[this.#next % this.#servers.length];
    if (server === undefined) throw new Error('no server is named');
    const connection = await Connection.open({
      server,
      session: this.#key,
      sessionTimeout_ms,
      credentials,
      connectLimit_ms,
      clock,
      signal,
    });
    this.#key = connection.session;
    this.#failures = 0;
    this.#unanswered = 0;
    // A server that ends the connection is not the first to be asked again.
    void connection.closed.then(() => (this.#next += 1));
    return connection;
  }

  /**
   * Short at first, longer each round, for all of them may be slow. Short also for a single server while there is a
   * session to keep: one that is just starting takes in a request to connect and never answers it.
   */
  #limit_ms(): number {
    const { sessionTimeout_ms } = this.#options;
    const longest_ms = Math.max(longConnectLimit_ms, sessionTimeout_ms);
    if (this.#servers.length === 1 && this.#key === undefined) return longest_ms;
    const rounds = Math.floor(this.#unanswered / this.#servers.length);
    return Math.min(longest_ms, Math.max(leastConnectLimit_ms, sessionTimeout_ms / 6) * 2 ** Math.min(rounds, 10));
  }

  async #pauseBetweenRounds(until_ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, sessionTimeout_ms } = this.#options;
    const rounds = this.#failures / this.#servers.length;
    const wait_ms = backoff_ms(rounds - 1, Math.max(leastConnectLimit_ms, sessionTimeout_ms / 4));
    await pause(clock, Math.min(wait_ms, until_ms - clock.now_ms()), signal ?? new AbortController().signal);
  }

  #unreachable(cause: Error): TandemError {
    const at = this.#servers.map(showServer).toSorted().join(', ');
    const text = `ZooKeeper does not answer: ${at} (${cause.message}). Check that it runs and that zookeeper.connect is right.`;
    return new TandemError('coordinator-unreachable', text, { cause });
  }
}
