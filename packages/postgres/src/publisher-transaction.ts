// One publishing transaction: all statements are sent at once, the answers tell what became of it.
import type { Epoch, TaskId } from '@tandem/pair';
import { TandemError, toError, type PositionMove } from '@tandem/ports';
import { DatabaseError } from 'pg';
import { isTransient, type Connection } from './connection.ts';
import { epochFrom, openFence, readStored, type FenceKey, type Opening } from './publisher-session.ts';
import type { SinkWriter } from './publisher-sink.ts';

export type TransactionOutcome =
  | { readonly outcome: 'published' }
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined }
  | { readonly outcome: 'retryable'; readonly cause: Error }
  | { readonly outcome: 'fatal'; readonly cause: Error }
  /** The connection went before the answer came. */
  | { readonly outcome: 'unknown'; readonly cause: Error };

interface Step {
  /** Undefined: our own part of the transaction. */
  readonly writer: SinkWriter | undefined;
  readonly answer: Promise<{ readonly command: string }>;
}

/**
 * Fence and positions are compared under the fence's lock first; positions move last. Should BEGIN itself fail, the
 * statements behind it run by themselves: they do nothing without the mark that `begin_publish` leaves in its own
 * transaction. `writers`: those with outputs; tables come before logs, so that the heads of logs, which others append
 * to as well, are locked for the shortest time, and logs in one order for all.
 */
export async function publishTransaction(
  connection: Connection,
  key: FenceKey,
  opening: Opening,
  moves: readonly PositionMove[],
  writers: readonly SinkWriter[],
  limit_ms: number,
): Promise<TransactionOutcome> {
  const { schema, pair, app, publisher, lane } = key;
  const { client } = connection;
  const tasks = moves.map((move) => move.task);
  const froms = moves.map((move) => move.from);
  const tos = moves.map((move) => move.to);
  const steps: Step[] = [];
  const send = (query: { name?: string; text: string; values?: unknown[] }, writer?: SinkWriter): void => {
    steps.push({ writer, answer: client.query(query) });
  };
  // One write to the socket for all of it.
  const { stream } = client.connection;
  stream.cork();
  try {
    send({ text: 'BEGIN' });
    send({
      ...beginPublish(schema),
      values: [pair, app, publisher, lane, opening.epoch, opening.opening, tasks, froms],
    });
    for (const writer of writers) send(writer.statement(opening.opening), writer);
    send({ ...endPublish(schema), values: [pair, app, publisher, opening.opening, tasks, froms, tos, key.channel] });
    send({ text: 'COMMIT' });
  } finally {
    stream.uncork();
  }
  try {
    const settled = await connection.limited(Promise.allSettled(steps.map((step) => step.answer)), limit_ms);
    return outcomeOf(steps, settled);
  } catch (thrown) {
    return { outcome: 'unknown', cause: toError(thrown) };
  }
}

const rehearsals = 8;

/**
 * Goes a few times through an opening and a publishing transaction without outputs, on a fence that is nobody's, and
 * rolls it back: server and process have prepared and planned everything then. Locks no rows of anybody's.
 * @throws what the connection throws.
 */
export async function rehearse(
  connection: Connection,
  key: FenceKey,
  tasks: readonly TaskId[],
  writers: readonly SinkWriter[],
): Promise<void> {
  const { schema, app, publisher } = key;
  const { client } = connection;
  // No pair has an empty name; a lane of our own, so that nobody who rehearses as well is waited for.
  const nobody = { ...key, pair: '', lane: -1 - Math.floor(Math.random() * 2 ** 30) };
  const fence = ['', app, publisher, nobody.lane];
  for (let round = 0; round < rehearsals; round++) {
    const steps = [
      client.query('BEGIN'),
      client.query({ ...openFence(schema), values: [...fence, 1, [], []] }),
      // A fence that was not there before is at its opening 1 now.
      client.query({ ...beginPublish(schema), values: [...fence, 1, '1', [], []] }),
      ...writers.map((writer) => client.query(writer.statement('1'))),
      client.query({ ...endPublish(schema), values: ['', app, publisher, '1', [], [], [], key.channel] }),
      client.query('ROLLBACK'),
    ];
    await connection.limited(Promise.all(steps));
    await readStored(connection, nobody, tasks);
  }
}

function beginPublish(schema: string) {
  return {
    name: 'begin publish',
    text: `SELECT ${schema}.begin_publish($1, $2, $3, $4, $5, $6, $7::text[], $8::bigint[])`,
  };
}

function endPublish(schema: string) {
  return {
    name: 'end publish',
    text: `SELECT ${schema}.end_publish($1, $2, $3, $4, $5::text[], $6::bigint[], $7::bigint[], $8)`,
  };
}

function outcomeOf(
  steps: readonly Step[],
  settled: readonly PromiseSettledResult<{ readonly command: string }>[],
): TransactionOutcome {
  const commit = settled.at(-1);
  const failedAt = settled.findIndex((answer) => answer.status === 'rejected');
  if (failedAt < 0) {
    if (commit?.status === 'fulfilled' && commit.value.command === 'COMMIT') return { outcome: 'published' };
    return { outcome: 'unknown', cause: new TandemError('internal', 'COMMIT was answered by something else') };
  }
  const failed = settled[failedAt];
  const cause = toError(failed?.status === 'rejected' ? failed.reason : undefined);
  const isLost = settled.some((answer, index) => {
    return answer.status === 'rejected' && mayHaveCommitted(answer.reason, index === steps.length - 1);
  });
  if (isLost || !(cause instanceof DatabaseError)) return { outcome: 'unknown', cause };
  if (cause.code === 'TD001') return { outcome: 'fenced', byEpoch: epochFrom(cause.detail) };
  // A server that is being replaced may be read-only for a while (25006).
  if (isTransient(cause) || cause.code === '25006') return { outcome: 'retryable', cause };
  return { outcome: 'fatal', cause: refusal(cause, steps[failedAt]?.writer) };
}

/**
 * An ordinary error rolls everything back. One that ends the session, or that comes of the server's own failure while
 * it commits, tells nothing. Severity would say so too, but it comes in the server's language.
 */
function mayHaveCommitted(error: unknown, isCommit: boolean): boolean {
  if (!(error instanceof DatabaseError)) return true;
  const code = error.code ?? '';
  return /^(08|57P|25P03|25P04)/.test(code) || (isCommit && /^(53|57|58|XX)/.test(code));
}

function refusal(cause: DatabaseError, writer: SinkWriter | undefined): Error {
  const detail = cause.detail === undefined ? '' : ` (${cause.detail})`;
  const where =
    writer === undefined
      ? cause.table === undefined
        ? 'publishing'
        : `table ${cause.schema ?? ''}.${cause.table}`
      : `sink '${writer.sink}', ${writer.target}`;
  return new TandemError(
    'sink-refused',
    `PostgreSQL refused an output: ${where}: ${cause.message}${detail}. Correct the app or the table; nothing of this batch was published.`,
    { blame: 'user', cause },
  );
}
