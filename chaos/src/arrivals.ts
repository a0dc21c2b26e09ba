// When outputs arrive at an independent reader, across everything that happens to the system that they are in.
import { ArrivalClock, type Logs } from '@tandem/harness';
import { countsLog, partitions } from './checker.ts';

const reopenPause_ms = 100;

export class Arrivals {
  readonly clock = new ArrivalClock();
  /** Records so far, each counted once. */
  count = 0;
  readonly #logs: Logs;
  readonly #next: number[] = Array.from({ length: partitions }, () => 0);
  #reader: { close(): Promise<void> } | undefined;
  #isClosed = false;

  constructor(logs: Logs) {
    this.#logs = logs;
  }

  /** Goes on by itself until it is closed. @throws when the log cannot be read at all. */
  async start(): Promise<void> {
    await this.#open();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reader?.close().catch(() => undefined);
  }

  async #open(): Promise<void> {
    const state = { isOver: false };
    const reader = await this.#logs.watch({
      log: countsLog,
      partitions,
      ...(this.count > 0 && { from: [...this.#next] }),
      onArrival: ({ at_ms, records }) => {
        const fresh = records.filter(({ partition, offset }) => offset >= (this.#next[partition] ?? 0));
        for (const { partition, offset } of fresh) this.#next[partition] = offset + 1;
        if (fresh.length === 0) return;
        this.count += fresh.length;
        this.clock.note(at_ms);
      },
      onFailure: () => {
        if (state.isOver) return;
        state.isOver = true;
        this.#reopenSoon();
      },
    });
    this.#reader = reader;
    if (this.#isClosed) await this.close();
  }

  #reopenSoon(): void {
    if (this.#isClosed) return;
    setTimeout(() => {
      if (this.#isClosed) return;
      const broken = this.#reader;
      this.#reader = undefined;
      void (broken?.close() ?? Promise.resolve())
        .catch(() => undefined)
        .then(() => this.#open())
        .catch(() => {
          this.#reopenSoon();
        });
    }, reopenPause_ms).unref();
  }
}
