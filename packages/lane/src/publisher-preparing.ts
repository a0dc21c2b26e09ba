// Keeps a closed publisher ready to be opened, so that a promotion costs milliseconds. Nothing waits for it: an opening
// that comes meanwhile goes ahead, and a round that fails or hangs does not keep the next ones from trying (L2).
import type { Clock, OutputBatch, Timer } from '@tandem/ports';
import type { PublisherConnection } from './publisher-connection.ts';
import type { Waiting } from './waiting.ts';

const interval_ms = 5000;
/** How long a round may take before its connection is given up. */
const limit_ms = 10_000;

export interface PreparingHost {
  readonly clock: Clock;
  readonly wait: Waiting;
  readonly connection: PublisherConnection;
  /** Opened, or on its way to being open or closed: then it is not to be prepared. */
  isOn(): boolean;
  giveUp(): Promise<void>;
  /** Outputs that wait, if any do. */
  example(): OutputBatch | undefined;
}

export class Preparing {
  readonly #host: PreparingHost;
  #timer: Timer | undefined;
  #isUnderWay = false;
  #isStopped = false;

  constructor(host: PreparingHost) {
    this.#host = host;
  }

  /** Now, and again and again. */
  begin(): void {
    this.#timer?.cancel();
    if (this.#isStopped || this.#isUnderWay) return;
    this.#isUnderWay = true;
    void this.#round().finally(() => {
      this.#isUnderWay = false;
      if (this.#isStopped) return;
      this.#timer = this.#host.clock.after(interval_ms, () => {
        this.begin();
      });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    const { wait } = this.#host;
    if (this.#host.isOn()) return;
    const inTime = await wait.within(this.#prepare(), limit_ms);
    if (!inTime && !this.#isStopped && !this.#host.isOn()) await wait.within(this.#host.giveUp(), limit_ms);
  }

  async #prepare(): Promise<void> {
    const publisher = await this.#host.connection.ensure();
    // An open may have come meanwhile.
    if (this.#isStopped || this.#host.isOn()) return;
    // What fails here the opening itself tries again, and says what is wrong.
    await publisher.prepare(this.#host.example());
  }
}
