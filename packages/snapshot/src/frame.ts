// The frame: what every snapshot is a sequence of, and what each kind of frame says.
//
//   [payload length u32][type u8][task u16][crc32 u32][payload], big-endian; the checksum covers all but itself.
//
// Order: header, then for every task its task-begin, chunks and task-end (frames of different tasks may be mixed:
// lanes write at the same time), then end. Nothing follows the end, and without it the snapshot is truncated.
import { crc32 } from './crc32.ts';

export const frameHead_bytes = 11;

/** No frame is larger: a length beyond it can only be damage. */
export const framePayloadLimit_bytes = 256 * 1024 * 1024;

export const frameType = {
  header: 1,
  taskBegin: 2,
  storeChunk: 3,
  queueChunk: 4,
  taskEnd: 5,
  end: 6,
} as const;

export type FrameType = (typeof frameType)[keyof typeof frameType];

/** One frame of a stream, checked. The arrays look into the bytes that were read: copy what must stay. */
export interface Frame {
  readonly type: FrameType;
  /** Number of the task within the whole app; 0 for header and end. */
  readonly task: number;
  readonly payload: Uint8Array;
  /** The whole frame, to be passed on as it is. */
  readonly bytes: Uint8Array;
}

/** Opens a task's part: where it was cut and what follows. Positions are decimal text. */
export interface TaskBegin {
  /** The task's id, for instance `orders/0`. */
  readonly task: string;
  readonly position: string;
  /** In the order that store chunks count them. */
  readonly stores: readonly string[];
  /** In the order that queue chunks count them; `published` is null where it was not yet known. */
  readonly publishers: readonly { readonly name: string; readonly published: string | null }[];
  /** Absent where it is not kept, and in format 1. */
  readonly outputs?: OutputsHash;
}

/** What was put out by the inputs from `since` up to where the task was cut. */
export interface OutputsHash {
  readonly since: string;
  /** Signed 32-bit integers, in the order of the publishers. */
  readonly hashes: readonly number[];
}

/** Closes a task's part: how much there must have been. */
export interface TaskEnd {
  /** Entries, per store. */
  readonly entries: readonly number[];
  /** Bytes of queued outputs, per publisher. */
  readonly queue_bytes: readonly number[];
}

/** Closes the snapshot. */
export interface SnapshotEnd {
  readonly tasks: number;
  /** Frames before this one. */
  readonly frames: number;
}

const text = new TextEncoder();
const untext = new TextDecoder('utf-8', { fatal: true });

export function encodeJson(value: unknown): Uint8Array {
  return text.encode(JSON.stringify(value));
}

/** @throws SyntaxError or TypeError when the payload is not JSON. */
export function decodeJson(payload: Uint8Array): unknown {
  return JSON.parse(untext.decode(payload));
}

export function isFrameType(type: number): type is FrameType {
  return type >= frameType.header && type <= frameType.end;
}

/** Writes a whole frame into `target` at `offset`; answers the offset after it. */
export function putFrame(
  target: Uint8Array,
  offset: number,
  type: FrameType,
  task: number,
  payload: Uint8Array,
): number {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  view.setUint32(offset, payload.length);
  view.setUint8(offset + 4, type);
  view.setUint16(offset + 5, task);
  target.set(payload, offset + frameHead_bytes);
  const end = offset + frameHead_bytes + payload.length;
  view.setUint32(offset + 7, frameChecksum(target, offset, end));
  return end;
}

export function frameChecksum(bytes: Uint8Array, start: number, end: number): number {
  return crc32(bytes, start + frameHead_bytes, end, crc32(bytes, start, start + 7));
}

/** One frame on its own. */
export function makeFrame(type: FrameType, task: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(frameHead_bytes + payload.length);
  putFrame(bytes, 0, type, task, payload);
  return bytes;
}

/** Number of frames in a piece that is known to hold whole frames, without checking their content. */
export function countFrames(piece: Uint8Array): { readonly frames: number; readonly tasks: number } {
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  let frames = 0;
  let tasks = 0;
  for (let offset = 0; offset < piece.length;) {
    frames++;
    if (view.getUint8(offset + 4) === frameType.taskBegin) tasks++;
    offset += frameHead_bytes + view.getUint32(offset);
  }
  return { frames, tasks };
}
