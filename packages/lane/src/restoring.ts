// Puts a snapshot's frames into fresh tasks. Nothing is read before all of it is in place.
import { positionFromText, type Position, type TaskId } from '@tandem/pair';
import {
  decodeJson,
  FrameReader,
  frameType,
  readEntries,
  readTaskBegin,
  storeOfChunk,
  type Frame,
  type OutputsHash,
  type TaskBegin,
  type TaskEnd,
} from '@tandem/snapshot';
import { LaneFailure } from './failure.ts';
import type { LaneTask, PublisherLayout, TaskIdentity } from './task.ts';

export interface RestoreTarget {
  /** Tasks of this lane. */
  readonly tasks: readonly TaskIdentity[];
  readonly layouts: readonly PublisherLayout[];
  createTask(identity: TaskIdentity, start: Position): LaneTask;
}

interface OpenTask {
  readonly task: LaneTask;
  /** Where each publisher of the snapshot is among ours. */
  readonly publishers: readonly number[];
  readonly heads: readonly Position[];
  readonly outputs: OutputsHash | undefined;
  readonly entries: number[];
  readonly queue_bytes: number[];
}

export class Restoring {
  readonly #target: RestoreTarget;
  readonly #reader = new FrameReader('tasks');
  readonly #open = new Map<number, OpenTask>();
  readonly #restored = new Map<TaskId, LaneTask>();

  constructor(target: RestoreTarget) {
    this.#target = target;
  }

  /** @throws SnapshotError or LaneFailure `snapshot`. */
  push(bytes: Uint8Array): void {
    for (const frame of this.#reader.push(bytes)) this.#take(frame);
  }

  /** Every task of this lane, in their order. @throws SnapshotError or LaneFailure `snapshot`. */
  finish(): readonly LaneTask[] {
    this.#reader.finish();
    return this.#target.tasks.map((identity) => {
      const task = this.#restored.get(identity.id);
      if (task === undefined) {
        throw unfit(`snapshot does not hold task ${identity.id}; were partitions added to its source?`);
      }
      return task;
    });
  }

  /** Gives up what was built. */
  abandon(): void {
    for (const { task } of this.#open.values()) task.close();
    for (const task of this.#restored.values()) task.close();
    this.#open.clear();
    this.#restored.clear();
  }

  #take(frame: Frame): void {
    if (frame.type === frameType.taskBegin) {
      this.#begin(frame);
      return;
    }
    const open = this.#open.get(frame.task);
    // Of another lane, or header and end.
    if (open === undefined) return;
    if (frame.type === frameType.storeChunk) {
      const number = storeOfChunk(frame.payload);
      const store = open.task.program.stores[number];
      if (store === undefined) throw refused(`snapshot of ${open.task.identity.id} holds a store too many`);
      let count = 0;
      readEntries(frame.payload, (entry) => {
        store.restore(entry);
        count++;
      });
      open.entries[number] = (open.entries[number] ?? 0) + count;
    } else if (frame.type === frameType.queueChunk) {
      const number = ((frame.payload[0] ?? 0) << 8) | (frame.payload[1] ?? 0);
      const queue = open.task.queues[open.publishers[number] ?? -1];
      if (queue === undefined) throw refused(`snapshot of ${open.task.identity.id} holds a queue too many`);
      const chunk = frame.payload.subarray(2);
      queue.restoreChunk(chunk);
      open.queue_bytes[number] = (open.queue_bytes[number] ?? 0) + chunk.length;
    } else if (frame.type === frameType.taskEnd) {
      this.#end(frame, open);
    }
  }

  #begin(frame: Frame): void {
    const begin = readTaskBegin(frame);
    const identity = this.#target.tasks.find(({ id }) => id === begin.task);
    if (identity === undefined) return;
    const task = this.#target.createTask(identity, positionFromText(begin.position));
    const stores = task.program.stores.map((store) => store.name);
    if (stores.join('\n') !== begin.stores.join('\n')) {
      task.close();
      throw unfit(
        `snapshot of ${begin.task} holds stores ${begin.stores.join(', ') || 'none'}, the app has ${stores.join(', ') || 'none'}`,
      );
    }
    const publishers = this.#publishersOf(begin);
    const heads = begin.publishers.map(({ published }) => positionFromText(published ?? begin.position));
    this.#open.set(frame.task, {
      task,
      publishers,
      heads,
      outputs: begin.outputs,
      entries: stores.map(() => 0),
      queue_bytes: publishers.map(() => 0),
    });
  }

  #publishersOf(begin: TaskBegin): number[] {
    const ours = this.#target.layouts.map(({ publisher }) => publisher);
    const theirs = begin.publishers.map(({ name }) => name);
    if ([...ours].sort().join('\n') !== [...theirs].sort().join('\n')) {
      throw unfit(
        `snapshot of ${begin.task} was taken with sinks on ${theirs.join(', ')}, this node has them on ${ours.join(', ')}`,
      );
    }
    return theirs.map((name) => ours.indexOf(name));
  }

  #end(frame: Frame, open: OpenTask): void {
    const { task, publishers, heads, outputs } = open;
    const end = decodeJson(frame.payload) as Partial<TaskEnd> | null;
    const whole = end?.entries?.join() === open.entries.join() && end.queue_bytes?.join() === open.queue_bytes.join();
    if (!whole) throw refused(`snapshot of ${task.identity.id} does not hold as much as it says`);
    for (const [index, number] of publishers.entries()) {
      task.queues[number]?.restoreEnd(heads[index] ?? task.position, task.position, outputs?.hashes[index]);
    }
    if (outputs !== undefined) task.hashesSince(positionFromText(outputs.since));
    this.#open.delete(frame.task);
    this.#restored.set(task.identity.id, task);
  }
}

/** It is whole, but not of what is configured here. */
function unfit(reason: string): LaneFailure {
  return new LaneFailure('snapshot', `${reason}; use another snapshot, or the configuration it was taken with`, {
    blame: 'user',
  });
}

/** It cannot be right. */
function refused(reason: string): LaneFailure {
  return new LaneFailure('snapshot', `${reason}; use another snapshot`);
}
