// Puts a snapshot into the lanes of an app: checks it, and hands every task's frames to the lane that runs it.
import { TandemError } from '@tandem/ports';
import {
  bufferSize_bytes,
  checkHeader,
  FrameReader,
  frameType,
  readHeader,
  readTaskBegin,
  type ExpectedSnapshot,
  type Frame,
} from '@tandem/snapshot';
import type { LaneGroup } from './lane-group.ts';

/** Frames gathered for one lane, sent when they fill a buffer and the lane has room. */
class LaneFeed {
  readonly #group: LaneGroup;
  readonly #lane: number;
  #gathered: Uint8Array[] = [];
  #gathered_bytes = 0;
  #credit = 0;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(group: LaneGroup, lane: number) {
    this.#group = group;
    this.#lane = lane;
  }

  addCredit(credit: number): void {
    this.#credit += credit;
    this.#wake();
  }

  /** Nothing more is handed over: the lane may be taking another snapshot already. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async add(frame: Frame): Promise<void> {
    this.#gathered.push(frame.bytes);
    this.#gathered_bytes += frame.bytes.length;
    if (this.#gathered_bytes >= bufferSize_bytes) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#gathered_bytes === 0) return;
    const joined = new Uint8Array(this.#gathered_bytes);
    let offset = 0;
    for (const bytes of this.#gathered) {
      joined.set(bytes, offset);
      offset += bytes.length;
    }
    this.#gathered = [];
    this.#gathered_bytes = 0;
    while (this.#credit <= 0 && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#stopped) return;
    this.#credit--;
    this.#group.postTo(this.#lane, { type: 'restore-frames', frames: joined.buffer }, [joined.buffer]);
  }
}

/** One restore under way. Nothing is read by the lanes before the whole snapshot has been checked. */
export class Restoring {
  readonly #group: LaneGroup;
  /** What the lanes repeat in their answers. */
  readonly #run: number;
  readonly #feeds: readonly LaneFeed[];
  #abandoned: Error | undefined;

  constructor(group: LaneGroup, run: number) {
    this.#group = group;
    this.#run = run;
    this.#feeds = Array.from({ length: group.size }, (_, lane) => new LaneFeed(group, lane));
  }

  addCredit(lane: number, credit: number): void {
    this.#feeds[lane]?.addCredit(credit);
  }

  /** The lanes are gone, or another restore has begun. */
  abandon(reason: string): void {
    this.#abandoned ??= new Error(reason);
    for (const feed of this.#feeds) feed.stop();
  }

  /**
   * Takes it unpacked. Resolves when all of it has been handed over and checked; the lanes answer `restored` after that.
   * @throws TandemError or SnapshotError saying why this snapshot cannot be used; another may be tried.
   */
  async run(content: AsyncIterable<Uint8Array>, expected: ExpectedSnapshot): Promise<void> {
    this.#group.post({ type: 'restore-begin', run: this.#run });
    const reader = new FrameReader('whole');
    const laneOfTask = new Map<number, LaneFeed>();
    for await (const bytes of content) {
      for (const frame of reader.push(bytes)) {
        if (this.#abandoned !== undefined) throw this.#abandoned;
        await this.#take(frame, expected, laneOfTask);
      }
    }
    reader.finish();
    for (const feed of this.#feeds) await feed.flush();
    if (this.#abandoned !== undefined) throw this.#abandoned;
    this.#group.post({ type: 'restore-end' });
  }

  async #take(frame: Frame, expected: ExpectedSnapshot, laneOfTask: Map<number, LaneFeed>): Promise<void> {
    if (frame.type === frameType.end) return;
    if (frame.type === frameType.header) {
      const check = checkHeader(readHeader(frame), expected);
      if (check.outcome !== 'ok') throw new TandemError(`snapshot-${check.outcome}`, check.reason);
      return;
    }
    if (frame.type === frameType.taskBegin) {
      const { task } = readTaskBegin(frame);
      const lane = this.#group.laneOf(task);
      const feed = lane === undefined ? undefined : this.#feeds[lane];
      if (feed === undefined) {
        throw new TandemError(
          'snapshot-other-tasks',
          `snapshot holds task '${task}', which this app does not have; were partitions taken away from a source?`,
        );
      }
      laneOfTask.set(frame.task, feed);
    }
    await laneOfTask.get(frame.task)?.add(frame);
  }
}
