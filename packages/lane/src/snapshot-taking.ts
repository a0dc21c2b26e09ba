// Takes a snapshot of the lane's tasks, one after another, in small parts between slices of processing. Each task is
// cut at one moment: position, stores and queues together (S4).
import type { QueueCut } from '@tandem/pair';
import { encodeJson, EntryWriter, FrameWriter, frameType, type TaskBegin, type TaskEnd } from '@tandem/snapshot';
import type { Clock } from '@tandem/ports';
import type { StoreCut } from '@tandem/streams';
import type { FromLane, PositionTexts } from './messages.ts';
import type { LaneTask, PublisherLayout } from './task.ts';

/** Longest part at a time. */
const part_ms = 1;
/** Entries between two looks at the clock. */
const entriesPerLook = 32;

export interface SnapshotHost {
  readonly clock: Clock;
  post(message: FromLane, transfer?: readonly ArrayBuffer[]): void;
}

/** Progress is 'waiting' when control has to give credit first. */
export type SnapshotProgress = 'more' | 'waiting' | 'done';

export class SnapshotTaking {
  readonly id: number;
  readonly #host: SnapshotHost;
  readonly #tasks: readonly LaneTask[];
  readonly #layouts: readonly PublisherLayout[];
  readonly #writer: FrameWriter;
  readonly #entries: EntryWriter;
  readonly #full: ArrayBuffer[] = [];
  readonly #positions: Record<string, string> = {};
  #credit: number;
  #next = 0;
  #open: OpenTask | undefined;
  #ended = false;

  constructor(
    id: number,
    credit: number,
    tasks: readonly LaneTask[],
    layouts: readonly PublisherLayout[],
    host: SnapshotHost,
  ) {
    this.id = id;
    this.#credit = credit;
    this.#tasks = tasks;
    this.#layouts = layouts;
    this.#host = host;
    this.#writer = new FrameWriter((frames) => this.#full.push(frames));
    this.#entries = new EntryWriter((payload) => {
      if (this.#open !== undefined) this.#writer.write(frameType.storeChunk, this.#open.task.identity.number, payload);
    });
  }

  addCredit(credit: number): void {
    this.#credit += credit;
  }

  /** Does one part of the work. */
  step(): SnapshotProgress {
    const until_ms = this.#host.clock.now_ms() + part_ms;
    for (;;) {
      this.#send();
      if (this.#full.length > 0) return 'waiting';
      if (this.#ended) {
        this.#host.post({ type: 'snapshot-end', id: this.id, positions: this.#positions });
        return 'done';
      }
      if (this.#open === undefined) this.#begin();
      else if (this.#write(this.#open, until_ms)) this.#end(this.#open);
      if (this.#host.clock.now_ms() >= until_ms) return 'more';
    }
  }

  /** Lets go of all that was kept aside. */
  cancel(): void {
    this.#open?.close();
    this.#open = undefined;
  }

  get positions(): PositionTexts {
    return this.#positions;
  }

  #send(): void {
    while (this.#credit > 0) {
      const frames = this.#full.shift();
      if (frames === undefined) return;
      this.#credit--;
      this.#host.post({ type: 'snapshot-chunk', id: this.id, frames }, [frames]);
    }
  }

  #begin(): void {
    const task = this.#tasks[this.#next++];
    if (task === undefined) {
      this.#writer.flush();
      this.#ended = true;
      return;
    }
    const open = new OpenTask(task);
    this.#open = open;
    const outputs = task.outputsHash;
    this.#positions[task.identity.id] = String(task.position);
    const begin: TaskBegin = {
      task: task.identity.id,
      position: String(task.position),
      stores: task.program.stores.map((store) => store.name),
      publishers: this.#layouts.map(({ publisher }, index) => ({
        name: publisher,
        published: String(task.queues[index]?.head ?? task.position),
      })),
      ...(outputs !== undefined && { outputs }),
    };
    this.#writer.write(frameType.taskBegin, task.identity.number, encodeJson(begin));
  }

  /** True when the task has been written whole. */
  #write(open: OpenTask, until_ms: number): boolean {
    const { clock } = this.#host;
    let left = entriesPerLook;
    const mayGoOn = (): boolean => {
      if (--left > 0) return true;
      left = entriesPerLook;
      return this.#full.length === 0 && clock.now_ms() < until_ms;
    };
    const store = open.stores[open.entries.length];
    if (store !== undefined) {
      if (!open.storeBegun) {
        open.storeBegun = true;
        this.#entries.begin(open.entries.length);
      }
      const done = store.drain((entry) => {
        this.#entries.add(entry);
        return mayGoOn();
      });
      if (done) {
        open.entries.push(this.#entries.end());
        open.storeBegun = false;
        store.close();
      }
      return false;
    }
    const queue = open.queues[open.queue_bytes.length];
    if (queue === undefined) return true;
    let size_bytes = open.queueWritten_bytes;
    const done = queue.drain((chunk) => {
      size_bytes += chunk.length;
      this.#writeQueueChunk(open, chunk);
      return this.#full.length === 0 && clock.now_ms() < until_ms;
    });
    open.queueWritten_bytes = size_bytes;
    if (done) {
      open.queue_bytes.push(size_bytes);
      open.queueWritten_bytes = 0;
      queue.close();
    }
    return false;
  }

  #writeQueueChunk(open: OpenTask, chunk: Uint8Array): void {
    const payload = new Uint8Array(chunk.length + 2);
    payload[0] = open.queue_bytes.length >>> 8;
    payload[1] = open.queue_bytes.length & 255;
    payload.set(chunk, 2);
    this.#writer.write(frameType.queueChunk, open.task.identity.number, payload);
  }

  #end(open: OpenTask): void {
    const end: TaskEnd = { entries: open.entries, queue_bytes: open.queue_bytes };
    this.#writer.write(frameType.taskEnd, open.task.identity.number, encodeJson(end));
    open.close();
    this.#open = undefined;
  }
}

/** A task that has been cut and is being written. */
class OpenTask {
  readonly task: LaneTask;
  readonly stores: readonly StoreCut[];
  readonly queues: readonly QueueCut[];
  /** Of the stores written so far. */
  readonly entries: number[] = [];
  storeBegun = false;
  /** Of the queues written so far. */
  readonly queue_bytes: number[] = [];
  queueWritten_bytes = 0;

  constructor(task: LaneTask) {
    this.task = task;
    this.stores = task.program.stores.map((store) => store.openCut());
    this.queues = task.queues.map((queue) => queue.cut());
  }

  /** Closing twice does no harm. */
  close(): void {
    for (const store of this.stores) store.close();
    for (const queue of this.queues) queue.close();
  }
}
