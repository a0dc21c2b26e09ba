// When outputs arrive at an independent reader, across everything that happens to the system that they are in.
import { ArrivalClock, until, type Logs } from '@tandem/harness';
import { countsLog, partitions } from './checker.ts';

const reopenPause_ms = 100;
/** How often it is asked whether the log goes on without its reader. */
const look_ms = 1000;

export class Arrivals {
  readonly clock = new ArrivalClock();
  /** Records so far, each counted once. */
  count = 0;
  readonly #logs: Logs;
  readonly #next: number[] = Array.from({ length: partitions }, () => 0);
  /** Says that the reader of now is over; the next one begins where it was. */
  #fail: () => void = () => undefined;
  #reader: { close(): Promise<void> } | undefined;
  #isClosed = false;

  constructor(logs: Logs) {
    this.#logs = logs;
  }

  /** Goes on by itself until it is closed. @throws when the log cannot be read at all. */
  async start(): Promise<void> {
    await this.#open();
    void this.#watch();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#closeReader();
  }

  async #closeReader(): Promise<void> {
    await this.#reader?.close().catch(() => undefined);
  }

  async #open(): Promise<void> {
    const state = { isOver: false };
    const fail = () => {
      if (state.isOver) return;
      state.isOver = true;
      this.#reopenSoon();
    };
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
      onFailure: fail,
    });
    this.#reader = reader;
    this.#fail = fail;
    if (this.#isClosed) await this.#closeReader();
  }

  /**
   * kafkajs may join its group anew after the broker was away, and then waits for the member that it was before: half a
   * minute in which outputs come and it reads none. Where the log goes on without the reader there is another one.
   */
  async #watch(): Promise<void> {
    let ends = 0;
    let count = -1;
    let missed = 0;
    while (!this.#isClosed) {
      await until({ limit_ms: look_ms }, () => (this.#isClosed ? true : undefined));
      const now = await this.#ends();
      if (now === undefined) continue;
      missed = now > ends && this.count === count ? missed + 1 : 0;
      ends = now;
      count = this.count;
      if (missed < 2) continue;
      missed = 0;
      this.#fail();
    }
  }

  /** Undefined while the log cannot be asked. */
  async #ends(): Promise<number | undefined> {
    const ends = await this.#logs.ends(countsLog, partitions).catch(() => undefined);
    return ends?.reduce((sum, end) => sum + end, 0);
  }

  #reopenSoon(): void {
    if (this.#isClosed) return;
    setTimeout(() => {
      if (this.#isClosed) return;
      const broken = this.#reader;
      this.#reader = undefined;
      // One that waits for a server takes its time to close; what both read is counted once.
      void broken?.close().catch(() => undefined);
      this.#open().catch(() => {
        this.#reopenSoon();
      });
    }, reopenPause_ms).unref();
  }
}
