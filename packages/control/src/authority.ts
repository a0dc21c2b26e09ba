// S11: while this node is active and has publishers at sinks without a fence, tells them how long they may go on.
//
// Authority rests on the coordinator having said that the epoch is still ours, and counts from when it was asked: no
// claim that took place can have come before that. Whoever claims next waits one whole session time-out before it
// publishes at such a sink. Authority ends a third of that earlier: for pauses of this process, for requests that are
// on their way, and for clocks that do not run alike.
import type { Epoch } from '@tandem/pair';
import type { Clock, Coordinator, Timer } from '@tandem/ports';

export interface AuthorityOptions {
  readonly clock: Clock;
  readonly coordinator: Pick<Coordinator, 'sessionTimeout_ms' | 'verify'>;
  /** In local monotonic time; replaces what was told before. */
  tell(until_ms: number): void;
  /** The coordinator says that the epoch is not ours any more. */
  onSuperseded(): void;
}

export class Authority {
  readonly #options: AuthorityOptions;
  #epoch: Epoch | undefined;
  /** Raised whenever the epoch changes: an answer to what was asked before counts for nothing. */
  #run = 0;
  #timer: Timer | undefined;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** Renews it for this epoch from now on; undefined: nobody needs it. */
  keep(epoch: Epoch | undefined): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#run++;
    this.#timer?.cancel();
    if (epoch !== undefined) void this.#renew(epoch, this.#run);
  }

  /** Asks, and asks again a quarter of the session time-out after that, whatever became of it (L2). */
  async #renew(epoch: Epoch, run: number): Promise<void> {
    const { clock, coordinator } = this.#options;
    const sentAt_ms = clock.now_ms();
    const outcome = await coordinator.verify(epoch).catch(() => 'unanswered' as const);
    if (run !== this.#run) return;
    if (outcome === 'current') this.#options.tell(sentAt_ms + (coordinator.sessionTimeout_ms * 2) / 3);
    if (outcome === 'superseded') this.#options.onSuperseded();
    const next_ms = sentAt_ms + coordinator.sessionTimeout_ms / 4 - clock.now_ms();
    this.#timer = clock.after(Math.max(0, next_ms), () => {
      void this.#renew(epoch, run);
    });
  }
}
