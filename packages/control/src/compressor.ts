// Compresses snapshots in a thread of its own at low priority: on a busy machine the lanes go first. Node's thread pool
// cannot do that: its threads have the priority of the process, and up to four of them compete with the lanes. A small
// snapshot takes less than the start of a thread, and goes to the pool.
import { TandemError } from '@tandem/ports';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { gzip } from 'node:zlib';

const inPool = promisify(gzip);

/** Bytes of one snapshot that the pool takes: one or two milliseconds of work. */
const small_bytes = 128 * 1024;

/** Three times as quick as 6, a tenth larger. */
const level = 1;

/**
 * How much nicer than the process: about a tenth of a core's time where everything else is busy, so that a snapshot
 * still comes to its end. Only Linux can set it for one thread; elsewhere it has the priority of the process.
 */
const nicer = 10;

/** A string, so that it runs whichever way this file was bundled. */
const source = `
const { readlinkSync } = require('node:fs');
const { getPriority, setPriority } = require('node:os');
const { parentPort } = require('node:worker_threads');
const { gzipSync } = require('node:zlib');
try {
  const thread = Number(readlinkSync('/proc/thread-self').split('/').pop());
  setPriority(thread, Math.min(19, getPriority() + ${nicer.toString()}));
} catch {}
parentPort.on('message', (piece) => {
  // A copy: what zlib returns may be part of a pool, which cannot be handed over.
  const compressed = new Uint8Array(gzipSync(piece, { level: ${level.toString()} }));
  parentPort.postMessage(compressed, [compressed.buffer]);
});`;

interface Waiter {
  readonly resolve: (compressed: Uint8Array) => void;
  readonly reject: (reason: Error) => void;
}

/** One per snapshot. */
export class Compressor {
  #thread: CompressorThread | undefined;
  #taken_bytes = 0;
  #closed = false;

  /** One gzip member per piece. Takes the piece away from the caller. @throws TandemError `compression-ended`. */
  async compress(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    if (this.#closed) throw ended();
    this.#taken_bytes += piece.byteLength;
    if (this.#taken_bytes <= small_bytes) return await inPool(piece, { level });
    this.#thread ??= new CompressorThread();
    return await this.#thread.compress(piece);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#thread?.close();
  }
}

class CompressorThread {
  readonly #worker = new Worker(source, { eval: true, name: 'compressor' });
  readonly #waiting: Waiter[] = [];
  #ended: Error | undefined;

  constructor() {
    // A snapshot does not keep the process alive.
    this.#worker.unref();
    this.#worker.on('message', (compressed: Uint8Array) => {
      this.#waiting.shift()?.resolve(compressed);
    });
    this.#worker.on('error', (cause: unknown) => {
      this.#end(cause);
    });
    this.#worker.on('exit', () => {
      this.#end(undefined);
    });
  }

  compress(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(piece, [piece.buffer]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #end(cause: unknown): void {
    this.#ended ??= ended(cause);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}

function ended(cause?: unknown): TandemError {
  return new TandemError('compression-ended', 'the snapshot was given up: its compression has ended', { cause });
}
