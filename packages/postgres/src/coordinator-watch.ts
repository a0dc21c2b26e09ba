// Waits for the end of another member's session, and expires its row when it comes.
import { backoff_ms, pause, type Clock } from '@tandem/ports';
import { type Connection, openConnection } from './connection.ts';
import type { Statements } from './coordinator-statements.ts';

/** Each wait is one statement; a longer one would hold back vacuum for longer. */
const wait_ms = 2000;

export interface WatchOptions {
  readonly url: string;
  readonly node: string;
  readonly pair: string;
  readonly channel: string;
  readonly statements: Statements;
  readonly answerLimit_ms: number;
  readonly clock: Clock;
  /** The session that was watched has ended and its row is expired. */
  readonly onEnded: () => void;
}

/** Takes a session's lock that has been found free: marks its member's row, and lets go. */
export async function expireEnded(
  connection: Connection,
  statements: Statements,
  pair: string,
  key: string,
  channel: string,
): Promise<void> {
  await connection.query(statements.expire, [pair, key, channel]);
  await connection.query(statements.unlock, [key]);
}

export class SessionWatch {
  readonly #options: WatchOptions;
  #key: string | undefined;
  #abort = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** From now on that session, or none. */
  watch(key: string | undefined): void {
    if (key === this.#key) return;
    this.#key = key;
    this.#abort.abort();
    if (key === undefined) return;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const before = this.#running;
    this.#running = Promise.all([before, this.#wait(key, signal)]).then(() => undefined);
  }

  async stop(): Promise<void> {
    this.watch(undefined);
    await this.#running;
  }

  /** Goes on through every kind of trouble until the session has ended or nobody cares any more (L2). */
  async #wait(key: string, signal: AbortSignal): Promise<void> {
    const { clock, answerLimit_ms } = this.#options;
    for (let tries = 0; ; tries += 1) {
      try {
        await this.#waitOnce(key, signal);
        this.#options.onEnded();
        return;
      } catch {
        // The heartbeat tells of the database's troubles; this connection only makes a take-over quicker.
        if ((await pause(clock, backoff_ms(tries, answerLimit_ms), signal)) === 'aborted') return;
      }
    }
  }

  async #waitOnce(key: string, signal: AbortSignal): Promise<void> {
    const { url, node, pair, channel, statements, answerLimit_ms } = this.#options;
    const connection = await openConnection({ url, role: 'watch', node, signal });
    try {
      let hasEnded = false;
      while (!hasEnded) {
        const { rows } = await connection.query<{ ended: boolean }>(
          statements.awaitSessionEnd,
          [key, wait_ms],
          wait_ms + answerLimit_ms,
        );
        hasEnded = rows[0]?.ended === true;
      }
      await expireEnded(connection, statements, pair, key, channel);
    } finally {
      connection.destroy();
      await connection.closed;
    }
  }
}
