// Gathers frames in buffers that can be handed to another thread.
import { frameHead_bytes, framePayloadLimit_bytes, putFrame, type FrameType } from './frame.ts';
import { SnapshotError } from './error.ts';

/** Buffers of about this size are handed over; a larger frame gets a buffer of its own. */
export const bufferSize_bytes = 256 * 1024;

export class FrameWriter {
  readonly #handOver: (frames: ArrayBuffer) => void;
  readonly #size_bytes: number;
  #buffer: Uint8Array | undefined;
  #used_bytes = 0;

  /** `handOver` gets buffers of whole frames, in order, each exactly as long as its frames: fit to be transferred. */
  constructor(handOver: (frames: ArrayBuffer) => void, size_bytes = bufferSize_bytes) {
    this.#handOver = handOver;
    this.#size_bytes = size_bytes;
  }

  /** Copies the payload. */
  write(type: FrameType, task: number, payload: Uint8Array): void {
    if (payload.length > framePayloadLimit_bytes) {
      throw new SnapshotError(
        'snapshot-corrupt',
        `snapshot cannot hold one part of ${String(payload.length)} bytes: the limit is ${String(framePayloadLimit_bytes)}`,
      );
    }
    const needed_bytes = frameHead_bytes + payload.length;
    if (this.#used_bytes + needed_bytes > this.#size_bytes) this.flush();
    if (needed_bytes > this.#size_bytes) {
      const own = new ArrayBuffer(needed_bytes);
      putFrame(new Uint8Array(own), 0, type, task, payload);
      this.#handOver(own);
      return;
    }
    this.#buffer ??= new Uint8Array(this.#size_bytes);
    this.#used_bytes = putFrame(this.#buffer, this.#used_bytes, type, task, payload);
  }

  /** Hands over what is gathered. */
  flush(): void {
    if (this.#used_bytes === 0 || this.#buffer === undefined) return;
    this.#handOver(this.#buffer.slice(0, this.#used_bytes).buffer);
    this.#used_bytes = 0;
  }
}
