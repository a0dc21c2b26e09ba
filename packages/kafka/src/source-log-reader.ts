// Reads partitions of a topic from their positions on: one fetch at a time at every broker that leads some of them, one
// page ahead per partition. Only what is committed is read; the end is the last stable offset.
import type { Position } from '@tandem/pair';
import {
  SourcePages,
  emptyPlace,
  toError,
  type SourceBatch,
  type SourceGap,
  type SourcePlace,
  type SourceReader,
  type Timer,
} from '@tandem/ports';
import type { Cluster } from './cluster.ts';
import { BrokerError, errorName } from './errors.ts';
import { findOffset } from './offsets.ts';
import {
  earliestOffset,
  fetch,
  latestOffset,
  listOffsets,
  readCommitted,
  readUncommitted,
  type FetchedPartition,
} from './protocol.ts';
import type { RecordPage } from './records.ts';

export interface ReaderSettings {
  readonly page_bytes: number;
  /** How long a broker may wait for records when every partition is asked for. */
  readonly longPoll_ms: number;
  /** How long when one is left out because its page has not been taken: nobody waits for somebody else's poll. */
  readonly shortPoll_ms: number;
  /** How old the known end of a partition may get that is not being fetched. */
  readonly endPoll_ms: number;
  readonly answerLimit_ms: number;
  readonly retryFirst_ms: number;
  readonly retryMost_ms: number;
}

interface Partition extends SourcePlace<RecordPage> {
  /** Where the next page begins. */
  fetchFrom: number;
  /** Grows while a single batch does not fit. */
  limit_bytes: number;
  endSeen_ms: number;
  /** Part of a fetch under way, or being looked into. */
  asked: boolean;
  stopped: boolean;
  /** Its own: what other brokers deliver says nothing of this one. */
  trouble: string | undefined;
}

/** A broker and what it leads. */
interface Broker {
  readonly node: number;
  readonly partitions: Partition[];
  fetching: boolean;
  /** Not asked again before leaders have been looked for. The others are. */
  failed: boolean;
  /** Which partition comes first: a response is limited as a whole. */
  turn: number;
}

const response_bytes = 32 << 20;
const batchMost_bytes = 256 << 20;

export class KafkaReader implements SourceReader {
  onReady: () => void = () => undefined;
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #settings: ReaderSettings;
  readonly #pages: SourcePages<RecordPage, Partition>;
  #topicId = '';
  #brokers: readonly Broker[] = [];
  #retry_ms: number;
  #recovery: Timer | undefined;
  #endPoll: Timer | undefined;
  #closed = false;

  /** The cluster is the reader's own: its long polls would hold up whoever shared it. */
  constructor(cluster: Cluster, topic: string, positions: ReadonlyMap<number, Position>, settings: ReaderSettings) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#settings = settings;
    this.#retry_ms = settings.retryFirst_ms;
    const places = [...positions].map(([partition, position]) => ({
      ...emptyPlace(partition),
      fetchFrom: position,
      limit_bytes: settings.page_bytes,
      endSeen_ms: Number.NEGATIVE_INFINITY,
      asked: false,
      stopped: false,
      trouble: 'not connected yet',
    }));
    this.#pages = new SourcePages<RecordPage, Partition>(places, {
      onRoom: () => {
        this.#fetchIfUseful();
      },
      onReady: () => {
        this.onReady();
      },
    });
    void this.#locate();
    this.#scheduleEndPoll();
  }

  take(): SourceBatch | SourceGap | undefined {
    return this.#pages.take();
  }

  setPaused(partition: number, paused: boolean): void {
    this.#pages.setPaused(partition, paused);
  }

  end(partition: number): Position | undefined {
    return this.#pages.end(partition);
  }

  trouble(): string | undefined {
    return this.#pages.places.find(({ trouble }) => trouble !== undefined)?.trouble;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pages.close();
    this.#recovery?.cancel();
    this.#endPoll?.cancel();
    await this.#cluster.close();
  }

  /** Finds out who leads what, again after every failure (L2). */
  async #locate(): Promise<void> {
    try {
      const topic = await this.#cluster.topic(this.#topic);
      this.#topicId = topic.id;
      const before = new Map(this.#brokers.map((broker) => [broker.node, broker]));
      const brokers = new Map<number, Broker>();
      let isComplete = true;
      for (const state of this.#pages.places) {
        const node = topic.leaders[state.partition];
        if (node === undefined) {
          isComplete = false;
          this.#note(`partition ${String(state.partition)} has no leader`, [state]);
          continue;
        }
        const broker = brokers.get(node) ?? {
          node,
          partitions: [],
          fetching: before.get(node)?.fetching ?? false,
          failed: false,
          turn: 0,
        };
        broker.partitions.push(state);
        brokers.set(node, broker);
      }
      this.#brokers = [...brokers.values()];
      if (!isComplete) this.#recover();
    } catch (thrown) {
      this.#note(toError(thrown).message, this.#pages.places);
      this.#recover();
    }
    this.#fetchIfUseful();
  }

  #note(trouble: string, partitions: readonly Partition[]): void {
    for (const state of partitions) state.trouble = `reading topic '${this.#topic}': ${trouble}`;
  }

  #recover(failed?: Broker): void {
    // A broker's state is made anew when leaders are looked for.
    for (const broker of this.#brokers) if (broker.node === failed?.node) broker.failed = true;
    if (this.#closed || this.#recovery !== undefined) return;
    const wait_ms = this.#retry_ms;
    this.#retry_ms = Math.min(wait_ms * 2, this.#settings.retryMost_ms);
    this.#recovery = this.#cluster.clock.after(wait_ms, () => {
      this.#recovery = undefined;
      this.#cluster.forgetTopic(this.#topic);
      void this.#locate();
    });
  }

  #fetchIfUseful(): void {
    if (this.#closed) return;
    for (const broker of this.#brokers) {
      if (!broker.fetching && !broker.failed && broker.partitions.some(hasRoom)) void this.#fetch(broker);
    }
  }

  async #fetch(broker: Broker): Promise<void> {
    const wanted = inTurn(broker).filter(hasRoom);
    // A paused one may be resumed at any moment.
    const isAll = broker.partitions.every((state) => state.asked || state.stopped || hasRoom(state));
    const isFirst = wanted.some((state) => state.end === undefined);
    const { longPoll_ms, shortPoll_ms, answerLimit_ms } = this.#settings;
    const wait_ms = isFirst ? 0 : isAll ? longPoll_ms : shortPoll_ms;
    broker.fetching = true;
    for (const state of wanted) state.asked = true;
    try {
      const connection = await this.#cluster.connection(broker.node, 'fetch');
      const partitions = wanted.map((state) => ({
        partition: state.partition,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(state.fetchFrom),
        lastFetchedEpoch: -1,
        partitionMaxBytes: state.limit_bytes,
      }));
      const topics = [{ topicId: this.#topicId, partitions }];
      const answer = await connection.send(
        fetch,
        [wait_ms, 1, response_bytes, readCommitted, 0, -1, topics, [], ''],
        wait_ms + answerLimit_ms,
      );
      if (answer.errorCode !== 0) throw new BrokerError('Fetch', errorName(answer.errorCode));
      if (this.#isClosed()) return;
      const finished = await Promise.all(answer.partitions.map((fetched) => this.#finish(fetched)));
      if (finished.includes(false)) this.#recover(broker);
      else this.#lookWhetherAllIsWell();
    } catch (thrown) {
      this.#note(toError(thrown).message, wanted);
      this.#recover(broker);
    } finally {
      broker.fetching = false;
      // A broker's state is made anew when leaders are looked for.
      for (const same of this.#brokers) if (same.node === broker.node) same.fetching = false;
      for (const state of wanted) state.asked = false;
    }
    if (this.#isClosed()) return;
    this.#pages.feed();
    this.#fetchIfUseful();
  }

  /** Takes in what came of one partition; false when something went wrong, which is noted. */
  async #finish(fetched: FetchedPartition): Promise<boolean> {
    const state = this.#pages.place(fetched.partition);
    if (state === undefined || state.stopped) return true;
    if (fetched.errorCode !== 0) {
      const error = errorName(fetched.errorCode);
      const trouble =
        error === 'OFFSET_OUT_OF_RANGE'
          ? await this.#lookForGap(state)
          : `partition ${String(state.partition)}: ${error}`;
      state.trouble = undefined;
      if (trouble !== undefined) this.#note(trouble, [state]);
      return trouble === undefined;
    }
    state.trouble = undefined;
    this.#sawEnd(state, fetched.lastStableOffset);
    const { records } = fetched;
    if (records.length === 0) return true;
    await this.#cluster.codec.load(records);
    const page = this.#pages.spare() ?? this.#cluster.codec.page(this.#topic);
    page.begin(state.partition, state.fetchFrom, records, fetched.aborted);
    if (page.nextPosition > state.fetchFrom) {
      state.fetchFrom = page.nextPosition;
      state.limit_bytes = this.#settings.page_bytes;
      state.ready = page;
    } else {
      this.#pages.giveBack(page);
      state.limit_bytes = Math.min(state.limit_bytes * 2, batchMost_bytes);
    }
    return true;
  }

  /** The broker says that the position is not there: before the first record kept, or beyond the end (S9). */
  async #lookForGap(state: Partition): Promise<string | undefined> {
    const { answerLimit_ms } = this.#settings;
    const question = { topic: this.#topic, partition: state.partition, isolation: readUncommitted };
    try {
      const find = (timestamp: bigint): Promise<number> =>
        findOffset(this.#cluster, { ...question, timestamp }, answerLimit_ms);
      const [first, end] = [await find(earliestOffset), await find(latestOffset)];
      // Otherwise it was a leader that did not know better yet.
      if (state.fetchFrom >= first && state.fetchFrom <= end) return 'OFFSET_OUT_OF_RANGE';
      state.stopped = true;
      const wanted = state.fetchFrom as Position;
      state.gap = { kind: 'gap', partition: state.partition, wanted, first: first as Position };
      return undefined;
    } catch (thrown) {
      return toError(thrown).message;
    }
  }

  #scheduleEndPoll(): void {
    if (this.#closed) return;
    this.#endPoll = this.#cluster.clock.after(this.#settings.endPoll_ms, () => {
      const asking = this.#brokers.filter(({ failed }) => !failed).map((broker) => this.#askEnds(broker));
      void Promise.allSettled(asking).then(() => {
        this.#scheduleEndPoll();
      });
    });
  }

  /** Of partitions that are not being fetched: paused, or not taken yet. Those being fetched tell by themselves. */
  async #askEnds(broker: Broker): Promise<void> {
    const old_ms = this.#cluster.clock.now_ms() - this.#settings.endPoll_ms;
    const partitions = broker.partitions
      .filter(({ asked, stopped, endSeen_ms }) => !asked && !stopped && endSeen_ms <= old_ms)
      .map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: latestOffset }));
    if (partitions.length === 0) return;
    try {
      const connection = await this.#cluster.connection(broker.node, 'requests');
      const topics = [{ name: this.#topic, partitions }];
      const answer = await connection.send(listOffsets, [-1, readCommitted, topics], this.#settings.answerLimit_ms);
      for (const { partitionIndex, offset } of answer.topics[0]?.partitions ?? []) {
        const state = this.#pages.place(partitionIndex);
        if (state !== undefined) this.#sawEnd(state, Number(offset));
      }
    } catch (thrown) {
      this.#note(toError(thrown).message, broker.partitions);
      this.#recover(broker);
    }
  }

  #sawEnd(state: Partition, end: number): void {
    if (end < 0) return;
    state.end = end;
    state.trouble = undefined;
    state.endSeen_ms = this.#cluster.clock.now_ms();
  }

  /** While one broker is away, the next look for leaders waits as long as it must, whatever the others deliver. */
  #lookWhetherAllIsWell(): void {
    if (this.#recovery !== undefined || this.trouble() !== undefined) return;
    this.#retry_ms = this.#settings.retryFirst_ms;
  }

  /** Read afresh: it may have been closed during any wait. */
  #isClosed(): boolean {
    return this.#closed;
  }
}

function hasRoom(state: Partition): boolean {
  return !state.stopped && !state.paused && !state.asked && state.ready === undefined;
}

function inTurn(broker: Broker): Partition[] {
  const { partitions } = broker;
  const first = broker.turn++ % partitions.length;
  return [...partitions.slice(first), ...partitions.slice(0, first)];
}
