// Control's end of a lane: the worker thread, its messages, and every way in which it can end.
import { getHeapStatistics } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { errorOf } from './describe-app.ts';
import type { AppBundle } from './description.ts';
import type { FailureCode, FromLane, LaneSpec, ToLane } from './messages.ts';
import { placeOf } from './source-places.ts';

export interface LaneHandlers {
  /** Messages in order. A worker that ends by itself, or dies, is a `failed` message, said once. */
  onMessage(message: FromLane): void;
}

export interface LaneHost {
  post(message: ToLane, transfer: readonly ArrayBuffer[]): void;
  /** Waits for the lane to end after a `close` message, then ends the thread. */
  close(limit_ms: number): Promise<void>;
  /** Ends the thread at once. */
  terminate(): Promise<void>;
}

export interface LaneOptions {
  /** Of the worker's ordinary objects; undefined: what Node gives it. */
  readonly heapLimit_bytes?: number;
}

const mebibyte = 2 ** 20;

export function startLane(
  bundle: AppBundle,
  spec: LaneSpec,
  handlers: LaneHandlers,
  options: LaneOptions = {},
): LaneHost {
  const worker = new Worker(bundle.path, {
    workerData: { mode: 'run', spec },
    ...(options.heapLimit_bytes !== undefined && {
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(options.heapLimit_bytes / mebibyte) },
    }),
    name: `${spec.app}/${String(spec.lane)}`,
  });
  let over = false;
  let loaded = false;
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      resolve();
    });
  });
  const fail = (code: FailureCode, reason: string): void => {
    if (over) return;
    over = true;
    handlers.onMessage({ type: 'failed', code, reason, blame: 'failure', positions: undefined });
  };
  worker.on('message', (message: FromLane) => {
    if (over) return;
    loaded = true;
    if (message.type === 'failed' || message.type === 'closed') over = true;
    handlers.onMessage(message);
  });
  worker.on('error', (thrown: unknown) => {
    const error = errorOf(thrown) as NodeJS.ErrnoException;
    const outOfMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    if (outOfMemory) fail('internal', outOfMemoryReason(spec, options.heapLimit_bytes));
    else fail(loaded ? 'internal' : 'app-load', placeOf(error, bundle.path));
  });
  worker.on('exit', (code) => {
    fail('internal', `the lane's thread ended by itself (exit code ${String(code)})`);
  });
  const terminate = async (): Promise<void> => {
    over = true;
    await worker.terminate();
  };
  return {
    post: (message, transfer) => {
      worker.postMessage(message, [...transfer]);
    },
    close: async (limit_ms) => {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, limit_ms);
      });
      over = true;
      await Promise.race([exited, limit]);
      clearTimeout(timer);
      await terminate();
    },
    terminate,
  };
}

function outOfMemoryReason({ app, lane }: LaneSpec, heapLimit_bytes: number | undefined): string {
  const what = `app '${app}' ran out of memory in lane ${String(lane)}`;
  if (heapLimit_bytes !== undefined) {
    const limit = String(Math.ceil(heapLimit_bytes / mebibyte));
    return `${what}: it reached its limit of ${limit} MiB; raise lane.heapLimit, or have the app keep less`;
  }
  // Every thread gets the same.
  const limit = String(Math.round(getHeapStatistics().heap_size_limit / mebibyte));
  return `${what}: it reached the limit of ${limit} MiB that Node.js gives it; set lane.heapLimit, or have the app keep less`;
}
