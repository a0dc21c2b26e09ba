// A large state in the making: about a kilobyte for each of many keys, through the app of bulk-app.ts.
import { ArrivalClock, Generator, waitFor, type LogAppender, type Pair } from '@tandem/harness';
import { bulk_bytes, bulkText } from './bulk-text.ts';
import { partitions, type Stack } from './stack.ts';

export const limit_ms = 600_000;

export interface BulkAnswer {
  readonly metrics: readonly { readonly longestPause_ms: number }[];
  readonly output: string;
  readonly inSync: boolean;
}

export class BulkState {
  /** When outputs arrived at an independent reader. */
  readonly clock = new ArrivalClock();
  readonly keys: number;
  readonly #writer: LogAppender;
  readonly #generator = new Generator();
  #sent = 0;
  #arrived = 0;
  #failure: Error | undefined;

  private constructor(writer: LogAppender, mb: number) {
    this.#writer = writer;
    this.keys = Math.ceil((mb * 1e6) / bulk_bytes);
  }

  /** What the entries hold, with their keys, all together. */
  get state_mb(): number {
    return Math.round((this.keys * (bulk_bytes + 30)) / 1e5) / 10;
  }

  /** Appends the inputs that make it. */
  static async write(stack: Stack, mb: number): Promise<BulkState> {
    const state = new BulkState(await stack.writer('in', { fast: true }), mb);
    await stack.logs.create('out', partitions);
    stack.progress(`building ${mb.toString()} MB of state`);
    for (let key = 0; key < state.keys; key++) {
      state.#add(key, bulkText(state.#generator));
      if (state.#writer.pending === 2000) await state.#writer.flush();
    }
    await state.#writer.flush();
    const reader = await stack.logs.watch({
      log: 'out',
      partitions,
      onArrival: ({ at_ms, records }) => {
        state.clock.note(at_ms);
        state.#arrived += records.length;
      },
      onFailure: (error) => (state.#failure = error),
    });
    stack.onClose(() => reader.close());
    return state;
  }

  /** Changes some entries, each a little. */
  async touch(count: number): Promise<void> {
    for (let due = 0; due < count; due++) this.#add(this.#generator.next() % this.keys);
    await this.#writer.flush();
  }

  async drained(): Promise<void> {
    await waitFor('every input has its output', { limit_ms }, () => {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#arrived >= this.#sent ? true : undefined;
    });
  }

  #add(key: number, bulk?: string): void {
    const text = bulk === undefined ? '' : `,"bulk":"${bulk}"`;
    this.#writer.add(`k${key.toString()}`, `{"id":"k${key.toString()}","seq":${(this.#sent++).toString()}${text}}`);
  }
}

/** Stores only the revisions that are asked for. */
export function bulkPair(stack: Stack, nodes: readonly string[]): Promise<Pair> {
  return stack.pair({
    nodes,
    apps: [{ module: 'bench/src/bulk-app.ts', partitions, sources: { in: 'in' }, sinks: { out: 'out' } }],
    settings: { persistence: { interval: '12h' } },
  });
}

/** Stores a revision now. */
export async function storeRevision(pair: Pair, node: string): Promise<{ readonly size_bytes: number }> {
  return pair.post<{ size_bytes: number }>(node, '/v1/apps/bulk/revisions', limit_ms);
}
