// What the node asks of the coordinator: claims, verifications, views, resigning. Every answer comes back as an event.
import type { Epoch, PairEffect, PairEvent } from '@tandem/pair';
import { toError, type Clock, type Coordinator } from '@tandem/ports';
import type { NodeLog } from './log.ts';

export interface CoordinationHost {
  readonly clock: Clock;
  readonly coordinator: Coordinator;
  readonly log: NodeLog;
  raise(event: PairEvent): void;
}

export class Coordination {
  readonly #host: CoordinationHost;
  #trouble: string | undefined;
  #resigning: Promise<void> = Promise.resolve();

  constructor(host: CoordinationHost) {
    this.#host = host;
  }

  /** Why it does not answer, while it does not. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  onConnection(connection: 'lost' | 'back', cause: string): void {
    const { clock, log } = this.#host;
    this.#trouble = connection === 'lost' ? cause : undefined;
    log.warn(
      { connection, cause },
      connection === 'lost' ? 'the coordinator does not answer' : 'the coordinator answers again',
    );
    this.#host.raise({ type: connection === 'lost' ? 'coordinator-lost' : 'coordinator-back', at_ms: clock.now_ms() });
  }

  async claim(expected: Epoch | undefined, why: string): Promise<void> {
    const { clock, coordinator, log } = this.#host;
    log.info({ expected: expected ?? null, why }, 'claiming');
    try {
      const claimed = await coordinator.claim(expected);
      const at_ms = clock.now_ms();
      if (claimed.outcome === 'won') this.#host.raise({ type: 'claim-won', at_ms, epoch: claimed.epoch });
      else if (claimed.outcome === 'lost') this.#host.raise({ type: 'claim-lost', at_ms, view: claimed.view });
      else this.#host.raise({ type: 'claim-unknown', at_ms });
    } catch (thrown) {
      log.warn({ reason: toError(thrown).message }, 'a claim was not answered');
      this.#host.raise({ type: 'claim-unknown', at_ms: clock.now_ms() });
    }
  }

  /** The view reaches the machine through the listener; a failure is tried again by the machine's own tick. */
  readView(): void {
    this.#host.coordinator.readView().catch((error: unknown) => {
      this.#host.log.debug({ reason: toError(error).message }, 'the view could not be read');
    });
  }

  verify({ delay_ms, app, publisher, lane, epoch, storedEpoch }: Extract<PairEffect, { type: 'verify' }>): void {
    const { clock } = this.#host;
    const ask = async (): Promise<void> => {
      const outcome = await this.#host.coordinator.verify(epoch).catch(() => 'unanswered' as const);
      const at_ms = clock.now_ms();
      this.#host.raise({ type: 'verify-answered', at_ms, app, publisher, lane, epoch, storedEpoch, outcome });
    };
    if (delay_ms > 0) clock.after(delay_ms, () => void ask());
    else void ask();
  }

  resign(epoch: Epoch): void {
    this.#resigning = this.#host.coordinator.resign(epoch).catch((error: unknown) => {
      this.#host.log.warn({ reason: toError(error).message }, 'resigning was not confirmed');
    });
  }

  /** Not in the midst of resigning: leaving would break it off, and say that the coordinator does not answer. */
  async leave(): Promise<void> {
    await this.#resigning;
    await this.#host.coordinator.leave();
  }
}
