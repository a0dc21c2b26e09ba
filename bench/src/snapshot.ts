// Snapshots of a large state under load: how long outputs pause, how long taking and restoring one takes.
import { ArrivalClock, Generator, pace, percentile, summarise, until, waitFor, type Pair } from '@tandem/harness';
import { partitions, type Stack } from './stack.ts';

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
const bulk_bytes = 1000;
const limit_ms = 120_000;

interface AppAnswer {
  readonly metrics: readonly { readonly longestPause_ms: number }[];
  readonly output: string;
  readonly inSync: boolean;
}

export async function measureSnapshot(stack: Stack, mb: number): Promise<SnapshotResult> {
  const keys = Math.ceil((mb * 1e6) / bulk_bytes);
  const writer = await stack.writer('in', { fast: true });
  await stack.logs.create('out', partitions);
  let sent = 0;
  const generator = new Generator();
  stack.progress(`building ${mb.toString()} MB of state`);
  for (let key = 0; key < keys; key++) {
    writer.add(`k${key.toString()}`, part(key, sent++, bulkText(generator)));
    if (writer.pending === 2000) await writer.flush();
  }
  await writer.flush();

  const clock = new ArrivalClock();
  let arrived = 0;
  let failure: Error | undefined;
  const reader = await stack.logs.watch({
    log: 'out',
    partitions,
    onArrival: ({ at_ms, records }) => {
      clock.note(at_ms);
      arrived += records.length;
    },
    onFailure: (error) => (failure = error),
  });
  stack.onClose(() => reader.close());
  const drained = () =>
    waitFor('every input has its output', { limit_ms }, () => {
      if (failure !== undefined) throw failure;
      return arrived >= sent ? true : undefined;
    });

  const pair = await stack.pair({
    nodes: ['a'],
    apps: [{ module: 'bench/src/bulk-app.ts', partitions, sources: { in: 'in' }, sinks: { out: 'out' } }],
    // Only the revisions that are asked for.
    settings: { persistence: { interval: '12h' } },
  });
  pair.start('a');
  await pair.ready(limit_ms);
  await drained();

  const producer = pace(rate_per_s, async (count) => {
    for (let due = 0; due < count; due++) {
      const key = generator.next() % keys;
      writer.add(`k${key.toString()}`, part(key, sent++));
    }
    await writer.flush();
  });
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
    stored_bytes = (await pair.post<{ size_bytes: number }>('a', '/v1/apps/bulk/revisions', limit_ms)).size_bytes;
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
  await drained();
  await pair.post('a', '/v1/apps/bulk/revisions', limit_ms);
  const restore_ms = await measureRestore(pair);
  return {
    state_mb: Math.round((keys * (bulk_bytes + 30)) / 1e5) / 10,
    pause_ms,
    undisturbed_ms,
    take_ms: Math.round(percentile(Float64Array.from(takes_ms).sort(), 0.5)),
    stored_mb: Math.round(stored_bytes / 1e5) / 10,
    restore_ms,
  };
}

async function pauses(pair: Pair, gaps_ms: readonly number[]): Promise<Pauses> {
  const { p99, max } = summarise(gaps_ms);
  const metrics = (await pair.get<AppAnswer>('a', '/v1/apps/bulk'))?.metrics ?? [];
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
    const app = await pair.get<AppAnswer>('a', '/v1/apps/bulk');
    return app?.inSync === true && app.output === 'live' ? true : undefined;
  });
  return Math.round(performance.now() - from_ms);
}

function part(key: number, seq: number, bulk?: string): string {
  const text = bulk === undefined ? '' : `,"bulk":"${bulk}"`;
  return `{"id":"k${key.toString()}","seq":${seq.toString()}${text}}`;
}

function bulkText(generator: Generator): string {
  let text = '';
  while (text.length < bulk_bytes) text += generator.next().toString(16).padStart(8, '0');
  return text;
}
