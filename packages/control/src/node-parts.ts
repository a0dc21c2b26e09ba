// What a node is made of besides its own control code. A running process has the parts below; a simulation has others.
import { randomBytes } from 'node:crypto';
import { startLane } from '@tandem/lane';
import { Compressor } from './compressor.ts';
import { HttpNetwork } from './http/network.ts';
import type { NodeLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { Network } from './network.ts';
import { unpack } from './unpack.ts';

/** Packs pieces of one snapshot; what it returns are pieces of one gzip stream. */
export interface Compression {
  /** In the order of the calls. Takes the piece away from the caller. */
  compress(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface NodeParts {
  readonly network: Network;
  readonly startLane: typeof startLane;
  /** One per snapshot. */
  createCompression(): Compression;
  /** Undoes it. @throws TandemError `snapshot-truncated`, `snapshot-corrupt`, or what `content` throws. */
  unpack(content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  readonly createMetrics: typeof createMetrics;
  /** Another one for every run of every process. */
  runId(): string;
}

export function processParts(log: NodeLog): NodeParts {
  return {
    network: new HttpNetwork(log),
    startLane,
    createCompression: () => new Compressor(),
    unpack,
    createMetrics,
    runId: () => randomBytes(6).toString('hex'),
  };
}
