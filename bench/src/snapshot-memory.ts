// Memory that taking, storing, sending and restoring a snapshot of a large state needs beyond the state itself.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { forgetMemoryPeak, memory_mb, memoryPeak_mb, pace, until, waitFor, type Pair } from '@tandem/harness';
import { bulkPair, BulkState, limit_ms, storeRevision, type BulkAnswer } from './bulk-state.ts';
import { root, type Stack } from './stack.ts';

/** Resident memory of a process, MB; `extra`: the peak beyond what was there before and the state that came. */
interface Usage {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  readonly extra: number;
}

export interface SnapshotMemoryResult {
  /** What is kept; and what that takes in a heap, by itself. */
  readonly state_mb: number;
  readonly heap_mb: number;
  readonly stored_mb: number;
  /** Of the active: while it stores a revision, and while it sends a snapshot to the passive. */
  readonly store_mb: Usage;
  readonly send_mb: Usage;
  /** Of the passive that gets it; of a node that restores it from the store. `before`: without any state. */
  readonly receive_mb: Usage;
  readonly restore_mb: Usage;
}

const rate_per_s = 1000;
const settle_ms = 5_000;

export async function measureSnapshotMemory(stack: Stack, mb: number): Promise<SnapshotMemoryResult> {
  const state = await BulkState.write(stack, mb);
  const heap_mb = await heapOf(state);
  const pair = await bulkPair(stack, ['a', 'b']);
  pair.start('a');
  await pair.ready(limit_ms);
  await state.drained();
  const producer = pace(rate_per_s, (count) => state.touch(count));
  stack.onClose(async () => {
    await producer.stop();
  });
  await settle();
  stack.progress('storing a revision');
  const storing = await Watch.begin(pair, 'a');
  const { size_bytes } = await storeRevision(pair, 'a');
  const store_mb = await storing.end();

  await settle();
  stack.progress('sending a snapshot to the passive');
  const sending = await Watch.begin(pair, 'a');
  const receive_mb = await started(pair, 'b', heap_mb);
  const send_mb = await sending.end();

  stack.progress('restoring from the store');
  const failed = await producer.stop();
  if (failed !== undefined) throw failed;
  for (const id of pair.ids) pair.signal(id, 'SIGKILL');
  for (const id of pair.ids) await pair.process(id)?.exited;
  const restore_mb = await started(pair, 'a', heap_mb);
  return {
    state_mb: state.state_mb,
    heap_mb,
    stored_mb: Math.round(size_bytes / 1e5) / 10,
    store_mb,
    send_mb,
    receive_mb,
    restore_mb,
  };
}

/** A node from its start until it is in sync. */
async function started(pair: Pair, node: string, heap_mb: number): Promise<Usage> {
  pair.start(node);
  await waitFor('the node has joined', { limit_ms, pause_ms: 2 }, async () =>
    (await pair.get(node, '/v1/node')) === undefined ? undefined : true,
  );
  const watch = await Watch.begin(pair, node);
  await waitFor('the app is restored', { limit_ms }, async () =>
    (await pair.get<BulkAnswer>(node, '/v1/apps/bulk'))?.inSync === true ? true : undefined,
  );
  return watch.end(heap_mb);
}

/** In a process of its own: nothing of it is in the way of what is measured. */
async function heapOf({ keys }: BulkState): Promise<number> {
  const args = ['--expose-gc', 'scripts/run.mjs', 'bench/src/state-size.ts', keys.toString()];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: root,
  });
  return Number(stdout);
}

class Watch {
  readonly #pid: number;
  readonly #before: number;

  private constructor(pid: number, before: number) {
    this.#pid = pid;
    this.#before = before;
  }

  static async begin(pair: Pair, node: string): Promise<Watch> {
    const pid = pair.process(node)?.pid ?? 0;
    await forgetMemoryPeak(pid);
    return new Watch(pid, (await memory_mb(pid)) ?? NaN);
  }

  /** `state_mb`: what the process has kept of it since. */
  async end(state_mb = 0): Promise<Usage> {
    const before = this.#before;
    const peak = (await memoryPeak_mb(this.#pid)) ?? NaN;
    await settle();
    const after = (await memory_mb(this.#pid)) ?? NaN;
    return { before, peak, after, extra: Math.round(peak - before - state_mb / 1.048576) };
  }
}

async function settle(): Promise<void> {
  await until({ limit_ms: settle_ms }, () => undefined);
}
