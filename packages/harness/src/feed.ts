// Numbered inputs at a steady rate into one log; knows exactly what was appended.
import { randomBytes } from 'node:crypto';
import { partitionOf } from './generator.ts';
import type { LogAppender, Logs } from './logs.ts';
import { pace, type Paced } from './pacing.ts';
import { waitFor } from './waiting.ts';

/** Keys that inputs go round on, in an order that mixes partitions. */
const keys = 61;

/** The server is gone for good after that. */
const reopenLimit_ms = 120_000;

const usual = (n: number) => ({ key: `k${((n * 17) % keys).toString()}` });

export interface FeedOptions {
  readonly logs: Logs;
  readonly log: string;
  readonly partitions: number;
}

export class Feed {
  readonly log: string;
  readonly partitions: number;
  /** Values whose append was confirmed, by partition, in order. */
  readonly confirmed: readonly string[][];
  /** Appends whose answer was lost: the input log says whether they took place. */
  unanswered = 0;
  lastTrouble: unknown;
  /** So many times the rate that it was started with. */
  factor = 1;
  readonly #options: FeedOptions;
  #writer: LogAppender | undefined;
  #paced: Paced | undefined;
  #next = 0;
  #stopped = false;

  private constructor(options: FeedOptions) {
    this.#options = options;
    this.log = options.log;
    this.partitions = options.partitions;
    this.confirmed = Array.from({ length: options.partitions }, () => []);
  }

  /** Makes the log where it is missing. */
  static async open(options: FeedOptions): Promise<Feed> {
    const feed = new Feed(options);
    await feed.#openWriter();
    return feed;
  }

  get count(): number {
    return this.#next;
  }

  /** Goes on by itself until it is stopped, through a server that comes and goes. */
  start(rate_per_s: number): void {
    if (this.#paced !== undefined) throw new Error(`log ${this.log} is fed already`);
    this.#stopped = false;
    this.#paced = pace(rate_per_s, async (count) => {
      try {
        // A server that was away is not made up for: that would be one huge batch.
        await this.append(Math.min(count, rate_per_s) * this.factor);
      } catch (thrown) {
        this.unanswered++;
        this.lastTrouble = thrown;
        await this.#reopen();
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const paced = this.#paced;
    this.#paced = undefined;
    const failure = await paced?.stop();
    if (failure !== undefined) throw failure;
  }

  /** Inputs with keys of their own and a padding that does not compress: that much state. */
  async appendBulk(size_bytes: number): Promise<void> {
    const each_bytes = 4000;
    const batch = 250;
    for (let left = Math.ceil(size_bytes / each_bytes); left > 0; left -= batch) {
      const pad = () => randomBytes((each_bytes * 3) / 4).toString('base64');
      await this.append(Math.min(left, batch), (n) => ({ key: `bulk${n.toString()}`, more: { pad: pad() } }));
    }
  }

  /** One more. @returns its number. */
  async appendOne(key: string, more: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const n = this.#next;
    await this.append(1, () => ({ key, more }));
    return n;
  }

  /** That many more in one transaction. */
  async append(
    count: number,
    shape: (n: number) => { readonly key: string; readonly more?: Readonly<Record<string, unknown>> } = usual,
  ): Promise<void> {
    const batch: { readonly partition: number; readonly value: string }[] = [];
    const writer = this.#writer ?? (await this.#openWriter());
    for (let left = count; left > 0; left--) {
      const n = this.#next++;
      const { key, more = {} } = shape(n);
      const value = JSON.stringify({ n, ...more });
      writer.add(key, value);
      batch.push({ partition: partitionOf(key, this.partitions), value });
    }
    await writer.flush();
    for (const { partition, value } of batch) this.confirmed[partition]?.push(value);
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#writer?.close();
  }

  async #openWriter(): Promise<LogAppender> {
    const { logs, log, partitions } = this.#options;
    return (this.#writer = await logs.writer(log, partitions));
  }

  async #reopen(): Promise<void> {
    const broken = this.#writer;
    this.#writer = undefined;
    await broken?.close().catch(() => undefined);
    await waitFor(`log ${this.log} takes inputs again`, { limit_ms: reopenLimit_ms, pause_ms: 100 }, async () =>
      this.#stopped
        ? true
        : this.#openWriter().then(
            () => true,
            () => undefined,
          ),
    );
  }
}
