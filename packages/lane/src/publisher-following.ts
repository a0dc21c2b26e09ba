// Follows the durable published positions of a publisher for as long as control wants it (L2).
import type { Positions } from '@tandem/pair';
import { toError, type Clock } from '@tandem/ports';
import type { PublisherConnection } from './publisher-connection.ts';

const retry_ms = 1000;

export class Following {
  /** What keeps it from following at the moment. */
  trouble: string | undefined;
  readonly #connection: PublisherConnection;
  readonly #clock: Clock;
  readonly #onPositions: (positions: Positions) => void;
  #isOn = false;
  #follower: { stop(): Promise<void> } | undefined;

  constructor(connection: PublisherConnection, clock: Clock, onPositions: (positions: Positions) => void) {
    this.#connection = connection;
    this.#clock = clock;
    this.#onPositions = onPositions;
  }

  /** Resolves when it follows, or has stopped. */
  async set(on: boolean): Promise<void> {
    this.#isOn = on;
    if (on) {
      await this.#begin();
      return;
    }
    const follower = this.#follower;
    this.#follower = undefined;
    this.trouble = undefined;
    await follower?.stop();
  }

  /** The publisher was given up, and its follower with it. */
  async beginAgain(): Promise<void> {
    this.#follower = undefined;
    await this.#begin();
  }

  async #begin(): Promise<void> {
    while (this.#isWanted()) {
      try {
        const publisher = await this.#connection.ensure();
        if (!this.#isWanted()) return;
        this.trouble = undefined;
        this.#follower = publisher.follow((positions) => {
          if (this.#isOn) this.#onPositions(positions);
        });
      } catch (thrown) {
        this.trouble = `published positions cannot be followed: ${toError(thrown).message}`;
        await new Promise<void>((resolve) => this.#clock.after(retry_ms, resolve));
      }
    }
  }

  #isWanted(): boolean {
    return this.#isOn && this.#follower === undefined;
  }
}
