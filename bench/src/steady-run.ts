// A pair under a steady stream of numbered inputs, watched by an independent reader.
import {
  ArrivalClock,
  Generator,
  pace,
  SteadyCheck,
  steadyValue,
  until,
  type Paced,
  type Pair,
  type SteadyVerdict,
} from '@tandem/harness';
import { partitions, type Stack } from './stack.ts';

export interface SteadyOptions {
  readonly rate_per_s: number;
  readonly nodes?: readonly string[];
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Called for every output: its sequence number and the time since its append was begun. */
  readonly onLatency?: (seq: number, latency_ms: number) => void;
}

/** Left out at the beginning: code that is not compiled yet, which takes a Java broker half a minute. */
export const warmUp_s = 30;

/** No output for this long after the last input: the rest is lost. */
const patience_ms = 20_000;

export class SteadyRun {
  readonly pair: Pair;
  readonly clock = new ArrivalClock();
  readonly check = new SteadyCheck();
  readonly #sentAt_ms: number[] = [];
  #failure: Error | undefined;
  #producer: Paced | undefined;

  private constructor(pair: Pair) {
    this.pair = pair;
  }

  /** Returns once every node is ready and inputs flow. */
  static async start(stack: Stack, options: SteadyOptions): Promise<SteadyRun> {
    const writer = await stack.writer('in');
    await stack.logs.create('out', partitions);
    const pair = await stack.pair({
      apps: [
        { module: 'apps/workloads/app.ts', export: 'w2', partitions, sources: { in: 'in' }, sinks: { out: 'out' } },
      ],
      ...(options.nodes !== undefined && { nodes: options.nodes }),
      ...(options.settings !== undefined && { settings: options.settings }),
    });
    const run = new SteadyRun(pair);
    const reader = await stack.logs.watch({
      log: 'out',
      partitions,
      onArrival: ({ at_ms, records }) => {
        run.clock.note(at_ms);
        for (const record of records) {
          const seq = run.check.arrived(record);
          options.onLatency?.(seq, at_ms - (run.#sentAt_ms[seq] ?? NaN));
        }
      },
      onFailure: (error) => (run.#failure ??= error),
    });
    stack.onClose(() => reader.close());
    for (const id of pair.ids) pair.start(id);
    await pair.ready();
    const generator = new Generator();
    run.#producer = pace(options.rate_per_s, async (count) => {
      const at_ms = Date.now();
      const begun_ms = performance.now();
      for (let due = 0; due < count; due++) {
        const drawn = generator.draw();
        const seq = run.check.sent(drawn);
        if (options.onLatency !== undefined) run.#sentAt_ms[seq] = begun_ms;
        writer.add(drawn.key, steadyValue(drawn, seq, at_ms), { timestamp_ms: at_ms });
      }
      await writer.flush();
    });
    stack.onClose(async () => {
      await run.#producer?.stop();
    });
    await run.outputAfter(performance.now());
    return run;
  }

  /** Until an output has arrived that came after this time. */
  async outputAfter(at_ms: number): Promise<void> {
    const came = await until({ limit_ms: patience_ms, pause_ms: 5 }, () => {
      if (this.#failure !== undefined) throw this.#failure;
      return (this.clock.last_ms ?? 0) > at_ms ? true : undefined;
    });
    if (came === undefined)
      throw new Error(`no output for ${(patience_ms / 1000).toString()} s; ${await this.#lastWords()}`);
  }

  /** Stops the inputs and waits for the outputs of all. */
  async finish(): Promise<SteadyVerdict> {
    const failure = await this.#producer?.stop();
    if (failure !== undefined) throw failure;
    let answered = -1;
    while (this.check.answered < this.check.inputs && this.check.answered !== answered) {
      answered = this.check.answered;
      await until({ limit_ms: patience_ms }, () => (this.check.answered > answered ? true : undefined));
    }
    if (this.#failure !== undefined) throw this.#failure;
    // Whatever comes twice would come about now.
    await until({ limit_ms: 500 }, () => undefined);
    return this.check.verdict();
  }

  async #lastWords(): Promise<string> {
    const tails = await Promise.all(this.pair.ids.map(async (id) => `${id}: ${await this.pair.logTail(id, 3)}`));
    return tails.join('\n');
  }
}
