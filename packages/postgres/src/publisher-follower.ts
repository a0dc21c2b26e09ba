// Tells published positions as they become durable, by listening and by asking now and then; fences nobody.
import type { Position, Positions, TaskId } from '@tandem/pair';
import { toError, type Clock } from '@tandem/ports';
import type { Connection } from './connection.ts';
import { readStored, type FenceKey } from './publisher-session.ts';

export interface FollowSettings {
  readonly poll_ms: number;
  readonly retryFirst_ms: number;
  readonly retryMost_ms: number;
}

/** Runs until stopped; reconnects by itself (L2). `report` is called with what moved since the last call. */
export class Follower {
  readonly #key: FenceKey;
  readonly #tasks: readonly TaskId[];
  readonly #connect: () => Promise<Connection>;
  readonly #report: (positions: Positions) => void;
  readonly #trouble: (message: string) => void;
  readonly #clock: Clock;
  readonly #settings: FollowSettings;
  readonly #known = new Map<TaskId, Position>();
  #connection: Connection | undefined;
  #stopped = false;
  #news = false;
  #wake: () => void = () => undefined;
  readonly #running: Promise<void>;

  constructor(
    key: FenceKey,
    tasks: readonly TaskId[],
    connect: () => Promise<Connection>,
    report: (positions: Positions) => void,
    trouble: (message: string) => void,
    clock: Clock,
    settings: FollowSettings,
  ) {
    this.#key = key;
    this.#tasks = tasks;
    this.#connect = connect;
    this.#report = report;
    this.#trouble = trouble;
    this.#clock = clock;
    this.#settings = settings;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#connection?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    let wait_ms = this.#settings.retryFirst_ms;
    while (!this.#isStopped()) {
      try {
        const connection = await this.#connect();
        this.#connection = connection;
        connection.onNotification = () => {
          this.#news = true;
          this.#wake();
        };
        await connection.query(`LISTEN "${this.#key.channel}"`);
        while (!this.#isStopped()) {
          this.#news = false;
          this.#tell((await readStored(connection, this.#key, this.#tasks)).positions);
          wait_ms = this.#settings.retryFirst_ms;
          // A notification may have come while the answer was on its way.
          if (!this.#hasNews()) await this.#sleep(this.#settings.poll_ms);
        }
      } catch (thrown) {
        if (!this.#isStopped()) {
          this.#trouble(`following published positions: ${toError(thrown).message}`);
          await this.#sleep(wait_ms);
          wait_ms = Math.min(wait_ms * 2, this.#settings.retryMost_ms);
        }
      }
      if (this.#connection?.isClosed === false && this.#stopped) await this.#connection.close();
      else this.#connection?.destroy();
      this.#connection = undefined;
    }
  }

  #tell(stored: Positions): void {
    const moved = new Map<TaskId, Position>();
    for (const [task, position] of stored) {
      if (this.#known.get(task) === position) continue;
      this.#known.set(task, position);
      moved.set(task, position);
    }
    if (moved.size > 0 && !this.#stopped) this.#report(moved);
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  #hasNews(): boolean {
    return this.#news;
  }

  async #sleep(wait_ms: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(wait_ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}
