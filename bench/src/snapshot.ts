// Snapshots of a large state under load: how long outputs pause, how long taking and restoring one takes.
import { pace, percentile, summarise, until, waitFor, type Pair } from '@tandem/harness';
import { bulkPair, BulkState, limit_ms, storeRevision, type BulkAnswer } from './bulk-state.ts';
import type { Stack } from './stack.ts';

export interface Pauses {
  /** Between two arrivals of outputs at the reader: commits of the server are in it. */
  readonly p99: number;
  readonly max: number;
  /** Longest of the lane's processing, as its own metric tells. */
  readonly lane_max: number;
}

export interface SnapshotResult {
  readonly state_mb: number;
  readonly pause_ms: Pauses;
  /** The same while no snapshot is taken: what the machine does by itself. */
  readonly undisturbed_ms: Pauses;
  readonly take_ms: number;
  readonly stored_mb: number;
  readonly restore_ms: number;
}

const rate_per_s = 10_000;
const times = 10;
/** Longer than the minute that a lane keeps its longest pause for. */
const undisturbedFor_ms = 75_000;

export async function measureSnapshot(stack: Stack, mb: number): Promise<SnapshotResult> {
  const state = await BulkState.write(stack, mb);
  const { clock } = state;
  const pair = await bulkPair(stack, ['a']);
  pair.start('a');
  await pair.ready(limit_ms);
  await state.drained();

  const producer = pace(rate_per_s, (count) => state.touch(count));
  stack.onClose(async () => {
    await producer.stop();
  });
  await until({ limit_ms: 3000 }, () => undefined);
  const calm_ms = performance.now();
  await until({ limit_ms: undisturbedFor_ms }, () => undefined);
  const undisturbed_ms = await pauses(pair, clock.gaps_ms(calm_ms, performance.now()));
  const gaps_ms: number[] = [];
  const takes_ms: number[] = [];
  let stored_bytes = 0;
  for (let round = 1; round <= times; round++) {
    const from_ms = performance.now();
    stored_bytes = (await storeRevision(pair, 'a')).size_bytes;
    const to_ms = performance.now();
    takes_ms.push(to_ms - from_ms);
    // Until the first output that comes after it, so that a pause at its end counts too.
    await waitFor('outputs go on', { limit_ms }, () => ((clock.last_ms ?? 0) > to_ms ? true : undefined));
    gaps_ms.push(...clock.gaps_ms(from_ms, clock.last_ms ?? to_ms));
    stack.progress(`snapshot ${round.toString()} of ${times.toString()}: ${Math.round(to_ms - from_ms).toString()} ms`);
  }
  const pause_ms = await pauses(pair, gaps_ms);
  const failed = await producer.stop();
  if (failed !== undefined) throw failed;
  await state.drained();
  await storeRevision(pair, 'a');
  const restore_ms = await measureRestore(pair);
  return {
    state_mb: state.state_mb,
    pause_ms,
    undisturbed_ms,
    take_ms: Math.round(percentile(Float64Array.from(takes_ms).sort(), 0.5)),
    stored_mb: Math.round(stored_bytes / 1e5) / 10,
    restore_ms,
  };
}

async function pauses(pair: Pair, gaps_ms: readonly number[]): Promise<Pauses> {
  const { p99, max } = summarise(gaps_ms);
  const metrics = (await pair.get<BulkAnswer>('a', '/v1/apps/bulk'))?.metrics ?? [];
  const lane_max = Math.max(...metrics.map((lane) => lane.longestPause_ms));
  return { p99, max, lane_max: Math.round(lane_max * 10) / 10 };
}

/** From joining the pair to publishing again. */
async function measureRestore(pair: Pair): Promise<number> {
  pair.signal('a', 'SIGKILL');
  await pair.process('a')?.exited;
  pair.start('a');
  await waitFor('the node has joined', { limit_ms, pause_ms: 2 }, async () =>
    (await pair.get('a', '/v1/node')) === undefined ? undefined : true,
  );
  const from_ms = performance.now();
  await waitFor('the app is restored', { limit_ms, pause_ms: 2 }, async () => {
    const app = await pair.get<BulkAnswer>('a', '/v1/apps/bulk');
    return app?.inSync === true && app.output === 'live' ? true : undefined;
  });
  return Math.round(performance.now() - from_ms);
}
