// All lanes of one app in one run: started together, described together, failed and closed together.
import type {
  AppBundle,
  FailureCode,
  FromLane,
  LaneHost,
  LaneSpec,
  LaneStatus,
  PositionTexts,
  ToLane,
} from '@tandem/lane';
import type { PublisherName, TaskId } from '@tandem/pair';
import type { Clock, ErrorBlame, Timer } from '@tandem/ports';
import type { NodeParts } from './node-parts.ts';
import { RecentMaximum } from './recent-maximum.ts';

export interface LaneFailure {
  readonly lane: number;
  readonly code: FailureCode;
  readonly reason: string;
  readonly blame: ErrorBlame;
  /** Published positions that a revision has to reach, when the code says so. */
  readonly positions: PositionTexts | undefined;
}

export type Described = Extract<FromLane, { type: 'described' }>;

export interface LaneGroupHandlers {
  onDescribed(first: Described): void;
  onMessage(lane: number, message: FromLane): void;
  /** Called once; the group has been closed by then. */
  onFailed(failure: LaneFailure): void;
}

export interface LaneGroupOptions {
  readonly clock: Clock;
  /** A lane that does not answer for this long is failed. */
  readonly answerLimit_ms: number;
  readonly heapLimit_bytes: number | undefined;
  readonly startLane: NodeParts['startLane'];
}

interface Slot {
  readonly host: LaneHost;
  described: Described | undefined;
  status: LaneStatus | undefined;
  /** Each answer knows the longest pause since the one before. */
  readonly pauses: RecentMaximum;
  /** When the oldest unanswered query was sent. */
  askedAt_ms: number | undefined;
}

const queryInterval_ms = 250;

export class LaneGroup {
  readonly #slots: Slot[];
  readonly #clock: Clock;
  readonly #answerLimit_ms: number;
  readonly #handlers: LaneGroupHandlers;
  #timer: Timer | undefined;
  #queries = 0;
  #askedLast_ms: number;
  #ended = false;

  constructor(bundle: AppBundle, specs: readonly LaneSpec[], options: LaneGroupOptions, handlers: LaneGroupHandlers) {
    this.#clock = options.clock;
    this.#answerLimit_ms = options.answerLimit_ms;
    this.#handlers = handlers;
    this.#askedLast_ms = options.clock.now_ms();
    this.#slots = specs.map((spec, lane) => ({
      host: options.startLane(
        bundle,
        spec,
        {
          onMessage: (message) => {
            this.#onMessage(lane, message);
          },
        },
        options.heapLimit_bytes === undefined ? {} : { heapLimit_bytes: options.heapLimit_bytes },
      ),
      described: undefined,
      status: undefined,
      pauses: new RecentMaximum(),
      askedAt_ms: undefined,
    }));
    this.#ask();
  }

  get size(): number {
    return this.#slots.length;
  }

  get publishers(): readonly PublisherName[] {
    return this.#slots[0]?.described?.publishers ?? [];
  }

  /** Some publishers are at sinks without a fence; known once described. */
  get isUnfenced(): boolean {
    return this.#slots[0]?.described?.unfenced === true;
  }

  /** Tasks of the whole app, known once described. */
  get allTasks(): readonly TaskId[] {
    return this.#slots[0]?.described?.allTasks ?? [];
  }

  /** The last answer of every lane, by lane; its longest pause is that of the last minute. */
  get laneStatuses(): readonly (LaneStatus | undefined)[] {
    return this.#slots.map((slot) => slot.status);
  }

  /** The lane that runs a task; undefined when none does. */
  laneOf(task: TaskId): number | undefined {
    const lane = this.#slots.findIndex((slot) => slot.described?.tasks.includes(task) === true);
    return lane === -1 ? undefined : lane;
  }

  post(message: ToLane): void {
    for (let lane = 0; lane < this.#slots.length; lane++) this.postTo(lane, message);
  }

  postTo(lane: number, message: ToLane, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#ended) this.#slots[lane]?.host.post(message, transfer);
  }

  /** Asks every lane to close, waits a little, then ends the threads. */
  async close(limit_ms: number): Promise<void> {
    if (this.#ended) return;
    this.post({ type: 'close' });
    this.#end();
    await Promise.all(this.#slots.map((slot) => slot.host.close(limit_ms)));
  }

  #onMessage(lane: number, message: FromLane): void {
    const slot = this.#slots[lane];
    if (this.#ended || slot === undefined) return;
    if (message.type === 'described') {
      slot.described = message;
      if (this.#slots.every((other) => other.described !== undefined)) this.#handlers.onDescribed(message);
    } else if (message.type === 'answer') {
      slot.askedAt_ms = undefined;
      slot.status = withRecentPause(message.status, slot.pauses, this.#clock.now_ms());
    } else if (message.type === 'failed') {
      this.#fail({
        lane,
        code: message.code,
        reason: message.reason,
        blame: message.blame,
        positions: message.positions,
      });
    } else {
      this.#handlers.onMessage(lane, message);
    }
  }

  /** A lane that does not answer within the limit has hung: the whole group is given up. */
  #ask(): void {
    if (this.#ended) return;
    const now_ms = this.#clock.now_ms();
    // This process itself was stopped for a while, and the lanes with it: nothing is held against them.
    const late = now_ms - this.#askedLast_ms > 4 * queryInterval_ms;
    this.#askedLast_ms = now_ms;
    for (const [lane, slot] of this.#slots.entries()) {
      if (slot.askedAt_ms !== undefined && late) slot.askedAt_ms = now_ms;
      if (slot.askedAt_ms === undefined) {
        slot.askedAt_ms = now_ms;
        slot.host.post({ type: 'query', id: ++this.#queries }, []);
      } else if (now_ms - slot.askedAt_ms > this.#answerLimit_ms) {
        this.#fail({
          lane,
          code: 'internal',
          reason: `lane ${lane} has not answered for ${this.#answerLimit_ms} ms; does the app loop for ever?`,
          blame: 'failure',
          positions: undefined,
        });
        return;
      }
    }
    this.#timer = this.#clock.after(queryInterval_ms, () => {
      this.#ask();
    });
  }

  #fail(failure: LaneFailure): void {
    if (this.#ended) return;
    this.#end();
    for (const slot of this.#slots) void slot.host.terminate();
    this.#handlers.onFailed(failure);
  }

  #end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }
}

function withRecentPause(status: LaneStatus, pauses: RecentMaximum, now_ms: number): LaneStatus {
  pauses.note(status.metrics.longestPause_ms, now_ms);
  return { ...status, metrics: { ...status.metrics, longestPause_ms: pauses.at(now_ms) } };
}
