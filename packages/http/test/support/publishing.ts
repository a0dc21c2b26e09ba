// Publishers for tests, and batches such as a lane makes of one input after the other.
import { httpSinkSchema, createHttpPublisher, type HttpPublisherOptions } from '@tandem/http';
import { asEpoch, asPosition, type Positions } from '@tandem/pair';
import type { OutputBatch, Publisher, PublishOutcome } from '@tandem/ports';
import { outputBatch, restOf, type NewOutput } from '@tandem/ports/contract';
import type { z } from 'zod';
import { clock } from '@tandem/ports/contract';

export type Binding = z.input<typeof httpSinkSchema>;

export interface Made {
  readonly app: string;
  readonly databaseUrl: string;
  readonly sinks: Readonly<Record<string, Binding>>;
  readonly tasks?: readonly string[];
  readonly log?: HttpPublisherOptions['log'];
}

const quick: Partial<Binding> = { retry: { first: '10ms', most: '50ms' } };

export async function createPublisher({ app, databaseUrl, sinks, tasks, log }: Made): Promise<Publisher> {
  const publisher = await createHttpPublisher({
    system: { positions: { postgres: { url: databaseUrl, schema: 'tandem' } } },
    sinks: Object.entries(sinks).map(([sink, binding]) => ({
      sink,
      binding: httpSinkSchema.parse({ ...quick, ...binding }),
    })),
    scope: { pair: 'p', app, lane: 0, lanes: 1, tasks: tasks ?? ['in/0', 'in/1'] },
    clock,
    log: log ?? (() => undefined),
    random: () => 0.5,
    positions: { lockLimit_ms: 100, retry_ms: 10, followPoll_ms: 50 },
  });
  publisher.authorityUntil?.(Number.POSITIVE_INFINITY);
  return publisher;
}

export async function open(publisher: Publisher, epoch: number, initialise?: Positions): Promise<Positions> {
  const opened = await publisher.open(asEpoch(epoch), initialise);
  if (opened.outcome !== 'opened') throw new Error(`not opened: ${JSON.stringify(opened)}`);
  return (await publisher.readBack()).positions;
}

export const genesis: Positions = new Map([
  ['in/0', asPosition(0)],
  ['in/1', asPosition(0)],
]);

/** One output of each input, to sink 0: `<task> <position>`. */
export function step(from: number, to: number, task = 'in/0', ...more: readonly OutputBatch['moves'][number][]) {
  const outputs = Array.from({ length: to - from }, (_, index): NewOutput => {
    return { sink: 0, partition: 0, position: from + index, key: 'k', value: `${task} ${String(from + index)}` };
  });
  return outputBatch([[task, from, to], ...more.map((move) => [move.task, move.from, move.to] as const)], outputs);
}

/** Several tasks, one output of each input. */
export function steps(moves: readonly (readonly [task: string, from: number, to: number])[]): OutputBatch {
  const outputs = moves.flatMap(([name, from, to], task) =>
    Array.from({ length: to - from }, (_, index): NewOutput => {
      return {
        sink: 0,
        partition: 0,
        task,
        position: from + index,
        key: 'k',
        value: `${name} ${String(from + index)}`,
      };
    }),
  );
  return outputBatch(moves, outputs);
}

/** As a lane does: again what may be tried again, then what is left. Answers that were in the way, at most so many. */
export async function publishAll(publisher: Publisher, batch: OutputBatch, most = 200): Promise<PublishOutcome[]> {
  const inTheWay: PublishOutcome[] = [];
  let left = batch;
  while (inTheWay.length < most) {
    const outcome = await publisher.publish(left);
    if (outcome.outcome === 'published') {
      if (outcome.part === undefined) return inTheWay;
      left = restOf(left, outcome.part);
      if (left.moves.length === 0) return inTheWay;
      continue;
    }
    inTheWay.push(outcome);
    if (outcome.outcome !== 'retryable') throw new Error(`not published: ${describe(outcome)}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(outcome.wait_ms, 100)));
  }
  throw new Error(`not published: ${inTheWay.slice(0, 3).map(describe).join(', ')}`);
}

/** Like `publishAll`, until the wanted outcome comes; and how many outputs were published before it. */
export async function publishUntil(publisher: Publisher, batch: OutputBatch, wanted: 'retryable' | 'fatal' | 'fenced') {
  let outputs = 0;
  let left = batch;
  for (;;) {
    const outcome = await publisher.publish(left);
    if (outcome.outcome === wanted) return { outcome, outputs };
    if (outcome.outcome === 'retryable') continue;
    if (outcome.outcome !== 'published' || outcome.part === undefined) throw new Error(describe(outcome));
    outputs += outcome.part.outputs;
    left = restOf(left, outcome.part);
  }
}

/** Like `publishAll`, until so many outputs are published. */
export async function publishSome(publisher: Publisher, batch: OutputBatch, count: number): Promise<void> {
  let left = batch;
  for (let outputs = 0; outputs < count;) {
    const outcome = await publisher.publish(left);
    if (outcome.outcome !== 'published' || outcome.part === undefined) throw new Error(describe(outcome));
    outputs += outcome.part.outputs;
    left = restOf(left, outcome.part);
  }
}

function describe(outcome: PublishOutcome): string {
  return 'cause' in outcome ? `${outcome.outcome}: ${outcome.cause.message}` : JSON.stringify(outcome);
}
