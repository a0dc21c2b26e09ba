// The publisher's hold on its fence: taking it, going on with it from a new connection, and making sure that a session
// that may still be at work is gone.
import type { Epoch, Position, Positions, TaskId } from '@tandem/pair';
import { asEpoch, asPosition } from '@tandem/pair';
import { TandemError, type Clock, type PublisherScope } from '@tandem/ports';
import { DatabaseError } from 'pg';
import type { Connection } from './connection.ts';
import { channelName, quoteSchema } from './schema.ts';

/** Which rows are ours. */
export interface FenceKey {
  /** Quoted. */
  readonly schema: string;
  readonly pair: string;
  readonly app: string;
  readonly publisher: string;
  readonly lane: number;
  /** Announces moved positions. */
  readonly channel: string;
}

export function fenceKey(schema: string, scope: PublisherScope, publisher: string): FenceKey {
  const { pair, app, lane } = scope;
  const channel = channelName('published', schema, pair, app, publisher);
  return { schema: quoteSchema(schema), pair, app, publisher, lane, channel };
}

/** One opening of the fence; the backend is that of the connection that holds it now. */
export interface Opening {
  readonly epoch: Epoch;
  readonly opening: string;
  readonly backend: Backend;
}

export interface Backend {
  readonly pid: number;
  /** As text: with the pid it names one session for good. */
  readonly startedAt: string;
}

export type TakeOutcome =
  | { readonly outcome: 'taken'; readonly opening: Opening; readonly storedEpoch: Epoch | undefined }
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined }
  /** The fence's row stayed locked. */
  | { readonly outcome: 'blocked'; readonly cause: Error };

interface TakenRow {
  readonly opened: boolean;
  readonly stored_epoch: string | null;
  readonly opening: string;
  readonly backend_pid: number;
  readonly backend_start: string;
}

const lockNotAvailable = '55P03';

/**
 * Raises epoch and opening unless a higher epoch holds the fence. A holder that keeps the row locked for longer than
 * `open_fence` waits has its session ended. @throws what the connection throws.
 */
export async function takeFence(
  connection: Connection,
  key: FenceKey,
  epoch: Epoch,
  initialise: Positions | undefined,
  clock: Clock,
  limit_ms: number,
): Promise<TakeOutcome> {
  const { schema, pair, app, publisher, lane } = key;
  const deadline_ms = clock.now_ms() + limit_ms;
  for (;;) {
    try {
      const answer = await connection.query<TakenRow>(openFence(schema), [
        ...[pair, app, publisher, lane, epoch],
        ...[[...(initialise?.keys() ?? [])], [...(initialise?.values() ?? [])]],
      ]);
      const row = answer.rows[0];
      if (row === undefined) throw new TandemError('internal', 'open_fence answered no row');
      const storedEpoch = epochFrom(row.stored_epoch);
      if (!row.opened) return { outcome: 'fenced', byEpoch: storedEpoch };
      const backend = { pid: row.backend_pid, startedAt: row.backend_start };
      return { outcome: 'taken', opening: { epoch, opening: row.opening, backend }, storedEpoch };
    } catch (thrown) {
      if (!(thrown instanceof DatabaseError) || thrown.code !== lockNotAvailable) throw thrown;
      if (clock.now_ms() >= deadline_ms) return { outcome: 'blocked', cause: thrown };
      await endHolder(connection, key);
    }
  }
}

/** The statement that takes a fence: pair, app, publisher, lane, epoch, tasks and positions to begin with. */
export function openFence(schema: string) {
  return {
    name: 'open fence',
    text: `SELECT opened, stored_epoch, opening, backend_pid, backend_start::text
           FROM ${schema}.open_fence($1, $2, $3, $4, $5, $6::text[], $7::bigint[])`,
  };
}

/** Ends the session recorded with the fence. */
async function endHolder(connection: Connection, key: FenceKey): Promise<void> {
  await connection.query(
    `SELECT pg_terminate_backend(a.pid) FROM ${key.schema}.fence f
     JOIN pg_stat_activity a ON a.pid = f.backend_pid AND a.backend_start = f.backend_start
     WHERE f.pair = $1 AND f.app = $2 AND f.publisher = $3 AND f.lane = $4 AND a.pid <> pg_backend_pid()`,
    [key.pair, key.app, key.publisher, key.lane],
  );
}

/** Ends a session and waits until it is gone; false when it is not within the limit. */
export async function endBackend(
  connection: Connection,
  backend: Backend,
  clock: Clock,
  limit_ms: number,
): Promise<boolean> {
  const deadline_ms = clock.now_ms() + limit_ms;
  for (;;) {
    const left = await connection.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz',
      [backend.pid, backend.startedAt],
    );
    if (left.rowCount === 0) return true;
    if (clock.now_ms() >= deadline_ms) return false;
    await new Promise<void>((resolve) => {
      clock.after(5, resolve);
    });
  }
}

export type AdoptOutcome =
  | { readonly outcome: 'adopted'; readonly opening: Opening }
  | { readonly outcome: 'fenced'; readonly byEpoch: Epoch | undefined };

/** Goes on with an opening of ours from this connection, if it is still the newest. */
export async function adoptFence(connection: Connection, key: FenceKey, opening: Opening): Promise<AdoptOutcome> {
  const { schema, pair, app, publisher, lane } = key;
  const answer = await connection.query<Omit<TakenRow, 'opened'> & { readonly adopted: boolean }>(
    `SELECT adopted, stored_epoch, backend_pid, backend_start::text
     FROM ${schema}.adopt_fence($1, $2, $3, $4, $5, $6)`,
    [pair, app, publisher, lane, opening.epoch, opening.opening],
  );
  const row = answer.rows[0];
  if (row?.adopted !== true) return { outcome: 'fenced', byEpoch: epochFrom(row?.stored_epoch ?? null) };
  const backend = { pid: row.backend_pid, startedAt: row.backend_start };
  return { outcome: 'adopted', opening: { ...opening, backend } };
}

/** Stored positions of these tasks (all of the app's without them), and the epoch of the lane's fence. */
export async function readStored(
  connection: Connection,
  key: FenceKey,
  tasks: readonly TaskId[],
): Promise<{ readonly positions: ReadonlyMap<TaskId, Position>; readonly epoch: Epoch | undefined }> {
  const { schema, pair, app, publisher, lane } = key;
  // One statement: both are of the same moment.
  const text = `SELECT p.task, p.position, f.epoch
     FROM (SELECT (SELECT epoch FROM ${schema}.fence WHERE pair = $1 AND app = $2 AND publisher = $3 AND lane = $4)) AS f(epoch)
     LEFT JOIN ${schema}.published p ON p.pair = $1 AND p.app = $2 AND p.publisher = $3 AND p.task = ANY ($5::text[])`;
  const answer = await connection.query<{ task: string | null; position: string | null; epoch: string | null }>(
    { name: 'read stored', text },
    [pair, app, publisher, lane, tasks],
  );
  const positions = new Map<TaskId, Position>();
  for (const row of answer.rows) {
    if (row.task !== null) positions.set(row.task, asPosition(Number(row.position)));
  }
  return { positions, epoch: epochFrom(answer.rows[0]?.epoch ?? null) };
}

export function epochFrom(text: string | null | undefined): Epoch | undefined {
  return text === null || text === undefined || text === '' ? undefined : asEpoch(Number(text));
}
