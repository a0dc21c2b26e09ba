// While the link is away: the active's published positions by HTTP, at the configured interval.
import type { AppName, PublisherName } from '@tandem/pair';
import type { Clock, Timer } from '@tandem/ports';
import type { PositionTexts } from '@tandem/lane';
import { z } from 'zod';
import type { Network } from './network.ts';

const answer = z.object({ published: z.record(z.string(), z.record(z.string(), z.string().regex(/^\d{1,16}$/))) });

export interface PublishedPollOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly interval_ms: number;
  readonly token: string | undefined;
  apps(): readonly AppName[];
  onPositions(app: AppName, publisher: PublisherName, positions: PositionTexts): void;
}

export class PublishedPoll {
  readonly #options: PublishedPollOptions;
  #address: string | undefined;
  #timer: Timer | undefined;

  constructor(options: PublishedPollOptions) {
    this.#options = options;
  }

  /** Asks that node from now on; undefined: nobody. */
  ask(address: string | undefined): void {
    if (address === this.#address) return;
    this.#address = address;
    this.#timer?.cancel();
    if (address !== undefined) this.#schedule(address);
  }

  #schedule(address: string): void {
    this.#timer = this.#options.clock.after(this.#options.interval_ms, () => {
      void this.#round(address).finally(() => {
        if (this.#address === address) this.#schedule(address);
      });
    });
  }

  async #round(address: string): Promise<void> {
    const { network, token } = this.#options;
    for (const app of this.#options.apps()) {
      try {
        const path = `/v1/apps/${encodeURIComponent(app)}/published`;
        const report = answer.parse(await network.ask(address, { method: 'GET', path, token }));
        if (this.#address !== address) return;
        for (const [publisher, positions] of Object.entries(report.published)) {
          this.#options.onPositions(app, publisher, positions);
        }
      } catch {
        // The positions are followed where they are durable as well: a poll that fails costs nothing.
      }
    }
  }
}
