// Turns bytes, in whatever pieces they come, back into frames, and checks every one of them and their order.
import { SnapshotError } from './error.ts';
import {
  decodeJson,
  frameChecksum,
  frameHead_bytes,
  framePayloadLimit_bytes,
  frameType,
  isFrameType,
  type Frame,
  type OutputsHash,
  type SnapshotEnd,
  type TaskBegin,
} from './frame.ts';

/** `whole`: header to end. `tasks`: only the parts of some tasks, header and end may be missing. */
export type ReaderScope = 'whole' | 'tasks';

export class FrameReader {
  readonly #scope: ReaderScope;
  #rest: Uint8Array = new Uint8Array(0);
  #frames = 0;
  #begun = new Set<number>();
  #open = new Set<number>();
  #ended = false;

  constructor(scope: ReaderScope = 'whole') {
    this.#scope = scope;
  }

  /**
   * The frames that are complete with these bytes. They may look into `bytes`, which must not change while they are used.
   * @throws SnapshotError `snapshot-corrupt`.
   */
  push(bytes: Uint8Array): readonly Frame[] {
    const input = this.#rest.length === 0 ? bytes : joined(this.#rest, bytes);
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    const frames: Frame[] = [];
    let offset = 0;
    while (input.length - offset >= frameHead_bytes) {
      const length_bytes = view.getUint32(offset);
      if (length_bytes > framePayloadLimit_bytes) throw corrupt('a part has an impossible length');
      const end = offset + frameHead_bytes + length_bytes;
      if (end > input.length) break;
      if (view.getUint32(offset + 7) !== frameChecksum(input, offset, end)) {
        throw corrupt(`the checksum of part ${String(this.#frames + 1)} is wrong`);
      }
      const type = view.getUint8(offset + 4);
      if (!isFrameType(type)) throw corrupt(`part ${String(this.#frames + 1)} is of unknown kind ${String(type)}`);
      const frame: Frame = {
        type,
        task: view.getUint16(offset + 5),
        payload: input.subarray(offset + frameHead_bytes, end),
        bytes: input.subarray(offset, end),
      };
      this.#check(frame);
      this.#frames++;
      frames.push(frame);
      offset = end;
    }
    // A copy: the caller may reuse its buffer for the next piece.
    this.#rest = input.slice(offset);
    return frames;
  }

  /** To be called when the bytes have ended. @throws SnapshotError `snapshot-truncated`. */
  finish(): void {
    const complete = this.#rest.length === 0 && this.#open.size === 0 && (this.#scope === 'tasks' || this.#ended);
    if (!complete) {
      throw new SnapshotError(
        'snapshot-truncated',
        `snapshot is cut off after ${String(this.#frames)} parts: use another one`,
      );
    }
  }

  #check(frame: Frame): void {
    if (this.#ended) throw corrupt('something follows its end');
    const first = this.#frames === 0;
    if (this.#scope === 'whole' && first && frame.type !== frameType.header) {
      throw corrupt('it does not begin with a header');
    }
    switch (frame.type) {
      case frameType.header:
        if (!first) throw corrupt('it has a second header');
        break;
      case frameType.taskBegin:
        if (this.#begun.has(frame.task)) throw corrupt(`task ${String(frame.task)} begins twice`);
        this.#begun.add(frame.task);
        this.#open.add(frame.task);
        break;
      case frameType.storeChunk:
      case frameType.queueChunk:
        if (!this.#open.has(frame.task)) throw corrupt(`a part of task ${String(frame.task)} is out of place`);
        break;
      case frameType.taskEnd:
        if (!this.#open.delete(frame.task)) throw corrupt(`task ${String(frame.task)} ends without having begun`);
        break;
      case frameType.end: {
        const end = decodeJson(frame.payload) as Partial<SnapshotEnd> | null;
        const whole = end?.frames === this.#frames && end.tasks === this.#begun.size && this.#open.size === 0;
        if (this.#scope === 'whole' && !whole) throw corrupt('its parts are not as many as its end says');
        this.#ended = true;
        break;
      }
    }
  }
}

/** What a task-begin frame says. @throws SnapshotError `snapshot-corrupt`. */
export function readTaskBegin(frame: Frame): TaskBegin {
  const value = decodeJson(frame.payload) as Partial<TaskBegin> | null;
  if (
    typeof value?.task !== 'string' ||
    typeof value.position !== 'string' ||
    !Array.isArray(value.stores) ||
    !Array.isArray(value.publishers) ||
    !isOutputsHash(value.outputs, value.publishers.length)
  ) {
    throw corrupt('the beginning of a task lacks a field');
  }
  return value as TaskBegin;
}

function isOutputsHash(value: unknown, publishers: number): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { since, hashes } = value as Partial<Record<keyof OutputsHash, unknown>>;
  return (
    typeof since === 'string' &&
    Array.isArray(hashes) &&
    hashes.length === publishers &&
    hashes.every((hash) => Number.isInteger(hash))
  );
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left, 0);
  both.set(right, left.length);
  return both;
}

function corrupt(what: string): SnapshotError {
  return new SnapshotError('snapshot-corrupt', `snapshot is damaged: ${what}`);
}
