// Reads a lane's published positions: backwards from the end until the last committed record is found, and from then on
// only what is new. A passive that follows, or prepares, has little left to read when it takes over.
import { TandemError } from '@tandem/ports';
import type { Cluster, Purpose } from './cluster.ts';
import { BrokerError, errorName } from './errors.ts';
import { askOffset } from './offsets.ts';
import { decodePublished, positionsKey, type PublishedRecord } from './positions-topic.ts';
import {
  earliestOffset,
  fetch,
  latestOffset,
  readCommitted,
  readUncommitted,
  type FetchedPartition,
} from './protocol.ts';
import type { RecordPage } from './records.ts';
import { forget, pause, persistently } from './retrying.ts';

/** As far as it has been read. */
interface Progress {
  /** A topic made anew has another one, and none of the old offsets. */
  readonly topicId: string;
  readonly next: number;
  readonly last: PublishedRecord | undefined;
}

const firstStep_offsets = 64;
const stepGrowth = 8;
const fetch_bytes = 1 << 20;

export class PositionsTail {
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #partition: number;
  readonly #page: RecordPage;
  #progress: Progress | undefined;

  constructor(cluster: Cluster, topic: string, partition: number) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#partition = partition;
    this.#page = cluster.codec.page(topic);
  }

  /** The last committed record that has been read. */
  get last(): PublishedRecord | undefined {
    return this.#progress?.last;
  }

  /**
   * Reads all that has been committed by now, and waits for transactions in between that are still open: what is
   * behind them counts too. After a fence nobody else's are.
   * @throws TandemError, BrokerError, ConnectionLost.
   */
  async catchUp(limit_ms: number): Promise<PublishedRecord | undefined> {
    return await this.#readTo(readUncommitted, limit_ms);
  }

  /**
   * Reads all that has been committed by now, up to the first transaction that is still open: nobody has been fenced,
   * and that of a node that was killed may stay open for long. @throws as `catchUp`.
   */
  async look(limit_ms: number): Promise<PublishedRecord | undefined> {
    return await this.#readTo(readCommitted, limit_ms);
  }

  async #readTo(isolation: number, limit_ms: number): Promise<PublishedRecord | undefined> {
    const end_ms = this.#cluster.clock.now_ms() + limit_ms;
    const until = await persistently(this.#cluster, { topic: this.#topic }, limit_ms, async () => {
      // Asked for together. Only the question for the end is refused by a new leader that does not know yet how far
      // the old one was; what the fetch shows may be short of it.
      const asking = this.#askEnd(isolation);
      const reading = this.#progress === undefined ? undefined : this.#readOn('requests', 0);
      const [end] = await Promise.all([asking, reading]);
      return end;
    });
    if (this.#progress === undefined) await this.#search(until, end_ms);
    for (let wait_ms = 1; this.#next() < until; wait_ms = Math.min(wait_ms * 2, 20)) {
      const before = this.#next();
      await this.#persistently(end_ms, () => this.#readOn('requests', 0));
      if (this.#next() !== before) continue;
      if (this.#cluster.clock.now_ms() >= end_ms) throw this.#unstable(until);
      await pause(this.#cluster.clock, wait_ms);
    }
    return this.last;
  }

  /** Reads what has been committed since, without waiting for anything. @throws as `catchUp`. */
  async readOn(limit_ms: number): Promise<PublishedRecord | undefined> {
    if (this.#progress === undefined) return await this.look(limit_ms);
    await persistently(this.#cluster, { topic: this.#topic }, limit_ms, () => this.#readOn('requests', 0));
    return this.last;
  }

  /** Waits for what is committed next, at most `wait_ms`; does not try again. @throws as `catchUp`. */
  async waitForNext(wait_ms: number, limit_ms: number): Promise<PublishedRecord | undefined> {
    if (this.#progress === undefined) return await this.look(limit_ms);
    try {
      await this.#readOn('follow', wait_ms);
      return this.last;
    } catch (thrown) {
      forget(this.#cluster, { topic: this.#topic }, thrown);
      throw thrown;
    }
  }

  #next(): number {
    return this.#progress?.next ?? 0;
  }

  #persistently<T>(end_ms: number, attempt: () => Promise<T>): Promise<T> {
    const left_ms = Math.max(1, end_ms - this.#cluster.clock.now_ms());
    return persistently(this.#cluster, { topic: this.#topic }, left_ms, attempt);
  }

  async #askEnd(isolation: number): Promise<number> {
    const question = { topic: this.#topic, partition: this.#partition, timestamp: latestOffset, isolation };
    return await askOffset(this.#cluster, question, 'requests');
  }

  /** From the end in growing steps to the last record, if there is one. */
  async #search(until: number, end_ms: number): Promise<void> {
    const { id } = await this.#cluster.topic(this.#topic);
    const question = { topic: this.#topic, partition: this.#partition, timestamp: earliestOffset };
    const first = await this.#persistently(end_ms, () =>
      askOffset(this.#cluster, { ...question, isolation: readUncommitted }, 'requests'),
    );
    for (let step = firstStep_offsets; ; step *= stepGrowth) {
      const from = Math.max(first, until - step);
      let found: Progress = { topicId: id, next: from, last: undefined };
      while (found.next < until) {
        const at = found;
        const read = await this.#persistently(end_ms, async () =>
          this.#take(await this.#fetch('requests', at.next, 0), at),
        );
        if (read.next === at.next) break;
        found = read;
      }
      if (found.last !== undefined || from <= first) {
        this.#advance(found);
        return;
      }
    }
  }

  async #readOn(purpose: Purpose, wait_ms: number): Promise<void> {
    const from = this.#progress;
    if (from === undefined) return;
    const { id } = await this.#cluster.topic(this.#topic);
    if (id !== from.topicId) {
      this.#progress = undefined;
      throw new BrokerError('Fetch', 'UNKNOWN_TOPIC_ID');
    }
    try {
      this.#advance(await this.#take(await this.#fetch(purpose, from.next, wait_ms), from));
    } catch (thrown) {
      if (!(thrown instanceof BrokerError) || thrown.error !== 'OFFSET_OUT_OF_RANGE') throw thrown;
      // Emptied by hand: whatever is there now is what counts.
      if (this.#progress === from) this.#progress = undefined;
      throw new BrokerError('Fetch', 'OFFSET_NOT_AVAILABLE');
    }
  }

  /** Two that read at the same time read the same; the further one counts. */
  #advance(to: Progress): void {
    if (this.#progress?.topicId !== to.topicId || this.#progress.next < to.next) this.#progress = to;
  }

  async #fetch(purpose: Purpose, from: number, wait_ms: number): Promise<FetchedPartition> {
    const node = await this.#cluster.leader(this.#topic, this.#partition);
    const { id } = await this.#cluster.topic(this.#topic);
    const connection = await this.#cluster.connection(node, purpose);
    const partition = {
      partition: this.#partition,
      currentLeaderEpoch: -1,
      fetchOffset: BigInt(from),
      lastFetchedEpoch: -1,
      partitionMaxBytes: fetch_bytes,
    };
    const topics = [{ topicId: id, partitions: [partition] }];
    const answer = await connection.send(fetch, [wait_ms, 1, fetch_bytes, readCommitted, 0, -1, topics, [], '']);
    if (answer.errorCode !== 0) throw new BrokerError('Fetch', errorName(answer.errorCode));
    const fetched = answer.partitions[0];
    if (fetched === undefined) throw new BrokerError('Fetch', 'UNKNOWN_TOPIC_OR_PARTITION');
    if (fetched.errorCode !== 0) throw new BrokerError('Fetch', errorName(fetched.errorCode));
    return fetched;
  }

  async #take({ records, aborted }: FetchedPartition, from: Progress): Promise<Progress> {
    await this.#cluster.codec.load(records);
    const page = this.#page;
    page.begin(this.#partition, from.next, records, aborted);
    let { last } = from;
    while (page.next()) {
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, position } = page;
      if (keyEnd < 0 || bytes.toString('utf8', keyStart, keyEnd) !== positionsKey) continue;
      const where = `topic '${this.#topic}' partition ${String(this.#partition)} offset ${String(position)}`;
      last = valueEnd < 0 ? undefined : decodePublished(bytes.toString('utf8', valueStart, valueEnd), where);
    }
    return { topicId: from.topicId, next: page.nextPosition, last };
  }

  #unstable(until: number): TandemError {
    return new TandemError(
      'positions-unstable',
      `topic '${this.#topic}' partition ${String(this.#partition)} holds an open transaction at ${String(this.#next())} of ${String(until)}: nothing else may write there`,
    );
  }
}
