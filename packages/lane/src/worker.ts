// What runs in a lane's worker thread: picks the app out of its module, then describes it or runs it.
import { getHeapStatistics } from 'node:v8';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { TandemError, toError, type LaneAdapter } from '@tandem/ports';
import { compileApp, TopologyError } from '@tandem/streams';
import { appOf } from './app-export.ts';
import { type DescribeAnswer } from './describe-app.ts';
import { LaneFailure } from './failure.ts';
import { Lane } from './lane.ts';
import type { FromLane, LaneSpec, ToLane } from './messages.ts';
import { placeOf, withSourcePlaces } from './source-places.ts';
import { systemClock } from './system-clock.ts';

/** What a bundle's entry hands over: everything in the app's module, and the adapters bundled with it. */
export interface WorkerParts {
  readonly exported: Readonly<Record<string, unknown>>;
  readonly exportName: string | undefined;
  readonly adapters: readonly LaneAdapter[];
}

/** `workerData` of a worker that runs a bundle. */
export type WorkerTask = { readonly mode: 'describe' } | { readonly mode: 'run'; readonly spec: LaneSpec };

export function startWorker(parts: WorkerParts): void {
  const port = parentPort;
  if (port === null) throw new Error('a lane runs in a worker thread');
  const task = workerData as WorkerTask;
  if (task.mode === 'describe') port.postMessage(describe(parts));
  else runLane(parts, task.spec, port);
}

function describe({ exported, exportName }: WorkerParts): DescribeAnswer {
  try {
    const topology = compileApp(appOf(exported, exportName));
    const { app, version, hash: topologyHash, sources, sinks } = topology;
    return { type: 'description', description: { app, version, topologyHash, sources, sinks } };
  } catch (thrown) {
    if (thrown instanceof TandemError) return { type: 'refused', code: thrown.code, reason: thrown.message };
    if (thrown instanceof TopologyError) return { type: 'refused', code: `app-${thrown.code}`, reason: thrown.message };
    // Whoever started this thread sees it, and has the source map.
    throw thrown;
  }
}

/** Why a lane failed is said with the app's own files and lines. */
function withPlaces(message: FromLane): FromLane {
  if (message.type !== 'failed') return message;
  const { code, reason } = message;
  const bundlePath = fileURLToPath(import.meta.url);
  const places =
    code === 'app-threw'
      ? placeOf({ message: reason, stack: reason }, bundlePath)
      : withSourcePlaces(reason, bundlePath);
  return { ...message, reason: places };
}

function runLane({ exported, exportName, adapters }: WorkerParts, spec: LaneSpec, port: MessagePort): void {
  const lane = new Lane(spec, {
    clock: systemClock,
    channel: {
      post: (message: FromLane, transfer = []) => {
        port.postMessage(withPlaces(message), [...transfer]);
        // Both are last words: the thread ends once nothing is left open.
        if (message.type === 'closed' || message.type === 'failed') port.unref();
      },
    },
    adapters,
    compile: () => compileApp(appOf(exported, exportName)),
    defer: (callback) => {
      setImmediate(callback);
    },
    // Jitter only: nothing that an app puts out depends on it.
    random: () => Math.random(),
    heap_bytes: () => getHeapStatistics().used_heap_size,
  });
  const onThrown = (thrown: unknown): void => {
    const error = toError(thrown);
    lane.fail(new LaneFailure('internal', error.stack ?? error.message, { cause: error }));
  };
  process.on('uncaughtException', onThrown);
  process.on('unhandledRejection', onThrown);
  port.on('message', (message: ToLane) => {
    lane.receive(message);
  });
  lane.start();
}
