// Revisions in PostgreSQL: chunk rows, and a head row that makes them visible. All of a write is one transaction, so
// a torn or fenced one was never there; the fence is taken last, so that nobody waits for it longer than a commit.
import { once } from 'node:events';
import { asEpoch, type AppName, type Epoch, type TaskId } from '@tandem/pair';
import {
  TandemError,
  toError,
  type RevisionHead,
  type RevisionInfo,
  type SnapshotStore,
  type WriteOutcome,
} from '@tandem/ports';
import { DatabaseError } from 'pg';
import { from, to } from 'pg-copy-streams';
import { z } from 'zod';
import { type Connection, openConnection } from './connection.ts';
import { migrate } from './migrations/index.ts';
import { quoteSchema } from './schema.ts';
import { copyHeader, copyTrailer, parseRows, regroup, rowHead, sha256 } from './snapshot-chunks.ts';

export interface PostgresSnapshotStoreOptions {
  readonly url: string;
  readonly schema: string;
  readonly pair: string;
  /** How long the database may take to accept the next chunk, or to answer; default 30 s. */
  readonly answerLimit_ms?: number;
}

export function createPostgresSnapshotStore(options: PostgresSnapshotStoreOptions): SnapshotStore {
  return new PostgresSnapshotStore(options);
}

interface RevisionRow {
  readonly revision: string;
  readonly app_version: number;
  readonly topology_hash: string;
  readonly epoch: string;
  readonly positions: unknown;
  readonly size_bytes: string;
  readonly created_at_ms: string;
}

interface UploadRow {
  readonly upload: string;
  readonly chunks: number;
  readonly size_bytes: string;
}

const positionsSchema = z.record(z.string(), z.string());

/** A connection per call: calls are rare, and a long upload holds up nothing else. */
class PostgresSnapshotStore implements SnapshotStore {
  readonly #options: PostgresSnapshotStoreOptions;
  readonly #schema: string;
  readonly #closing = new AbortController();
  readonly #calls = new Set<Promise<unknown>>();
  #isMigrated = false;

  constructor(options: PostgresSnapshotStoreOptions) {
    this.#options = options;
    this.#schema = quoteSchema(options.schema);
  }

  async write(
    head: RevisionHead,
    content: AsyncIterable<Uint8Array>,
    positions: () => Readonly<Record<TaskId, string>>,
  ): Promise<WriteOutcome> {
    return this.#connected(async (connection) => {
      const refused = await this.#fencedBy(connection, head);
      if (refused !== undefined) return refused;
      const next = await connection.query<{ upload: string }>(
        `SELECT nextval('${this.#schema}.snapshot_upload')::text AS upload`,
      );
      const upload = next.rows[0]?.upload ?? '0';
      await connection.query('BEGIN');
      const { chunks, size_bytes } = await this.#copyIn(connection, BigInt(upload), content);
      const at = JSON.stringify(positions());
      const revision = await this.#raiseFence(connection, head);
      if (revision === undefined) {
        await connection.query('ROLLBACK');
        return (await this.#fencedBy(connection, head)) ?? { outcome: 'fenced', byEpoch: undefined };
      }
      await connection.query(
        `INSERT INTO ${this.#schema}.snapshot_revision
           (pair, app, revision, app_version, topology_hash, epoch, positions, upload, chunks, size_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [
          this.#options.pair,
          head.app,
          revision,
          head.appVersion,
          head.topologyHash,
          head.epoch,
          at,
          upload,
          chunks,
          size_bytes,
        ],
      );
      await connection.query('COMMIT');
      return { outcome: 'stored', revision, size_bytes };
    });
  }

  async list(app: AppName): Promise<readonly RevisionInfo[]> {
    const rows = await this.#connected(async (connection) => {
      const found = await connection.query<RevisionRow>(
        `SELECT revision::text, app_version, topology_hash, epoch::text, positions, size_bytes::text,
                floor(extract(epoch FROM created_at) * 1000)::text AS created_at_ms
         FROM ${this.#schema}.snapshot_revision WHERE pair = $1 AND app = $2 ORDER BY revision DESC`,
        [this.#options.pair, app],
      );
      return found.rows;
    });
    return rows.map((row) => ({
      revision: Number(row.revision),
      app,
      appVersion: row.app_version,
      topologyHash: row.topology_hash,
      epoch: asEpoch(Number(row.epoch)),
      positions: positionsSchema.parse(row.positions),
      size_bytes: Number(row.size_bytes),
      createdAt_ms: Number(row.created_at_ms),
    }));
  }

  async *read(app: AppName, revision: number): AsyncGenerator<Uint8Array> {
    const connection = await this.#open();
    try {
      yield* this.#copyOut(connection, app, revision);
    } catch (thrown) {
      throw storeError(thrown, connection.target);
    } finally {
      // A reader that had enough leaves the rest of the COPY in the pipe.
      connection.destroy();
      await connection.closed;
    }
  }

  async prune(app: AppName, keep: number): Promise<readonly number[]> {
    if (!Number.isInteger(keep) || keep < 1)
      throw new RangeError(`must keep at least one revision, not ${String(keep)}`);
    return this.#delete(
      app,
      `SELECT revision FROM ${this.#schema}.snapshot_revision WHERE pair = $1 AND app = $2 ORDER BY revision DESC OFFSET $3`,
      [keep],
    );
  }

  async highestEpoch(app: AppName): Promise<Epoch | undefined> {
    return this.#connected(async (connection) => {
      const { rows } = await connection.query<{ epoch: string }>(
        `SELECT epoch::text FROM ${this.#schema}.snapshot_fence WHERE pair = $1 AND app = $2`,
        [this.#options.pair, app],
      );
      return rows[0] && asEpoch(Number(rows[0].epoch));
    });
  }

  async deleteAll(app: AppName): Promise<number> {
    const chosen = `SELECT revision FROM ${this.#schema}.snapshot_revision WHERE pair = $1 AND app = $2`;
    return (await this.#delete(app, chosen, [])).length;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#calls);
  }

  // --- writing

  async #fencedBy(connection: Connection, head: RevisionHead): Promise<WriteOutcome | undefined> {
    const { rows } = await connection.query<{ epoch: string }>(
      `SELECT epoch::text FROM ${this.#schema}.snapshot_fence WHERE pair = $1 AND app = $2 AND epoch > $3::bigint`,
      [this.#options.pair, head.app, head.epoch],
    );
    const row = rows[0];
    return row === undefined ? undefined : { outcome: 'fenced', byEpoch: asEpoch(Number(row.epoch)) };
  }

  /** The next revision, or undefined when a newer epoch has been here. Holds the fence until the end of the transaction. */
  async #raiseFence(connection: Connection, head: RevisionHead): Promise<number | undefined> {
    const { rows } = await connection.query<{ revision: string }>(
      `INSERT INTO ${this.#schema}.snapshot_fence AS f (pair, app, epoch, last_revision) VALUES ($1, $2, $3, 1)
       ON CONFLICT (pair, app) DO UPDATE SET epoch = excluded.epoch, last_revision = f.last_revision + 1
       WHERE f.epoch <= excluded.epoch
       RETURNING last_revision::text AS revision`,
      [this.#options.pair, head.app, head.epoch],
    );
    return rows[0] && Number(rows[0].revision);
  }

  async #copyIn(connection: Connection, upload: bigint, content: AsyncIterable<Uint8Array>) {
    const sql = `COPY ${this.#schema}.snapshot_chunk (upload, seq, sha256, data) FROM STDIN (FORMAT binary)`;
    const copy = connection.client.query(from(sql));
    let failure: unknown;
    copy.on('error', (error: unknown) => {
      failure = error;
    });
    const put = async (bytes: Buffer) => {
      if (failure !== undefined) throw failure as Error;
      if (!copy.write(bytes)) await connection.limited(once(copy, 'drain'));
    };
    let chunks = 0;
    let size_bytes = 0;
    await put(copyHeader);
    for await (const chunk of regroup(content)) {
      await put(rowHead(upload, chunks, chunk));
      await put(chunk);
      chunks += 1;
      size_bytes += chunk.length;
    }
    await put(copyTrailer);
    const finished = once(copy, 'finish');
    copy.end();
    await connection.limited(finished);
    return { chunks, size_bytes };
  }

  // --- reading

  async *#copyOut(connection: Connection, app: AppName, revision: number): AsyncGenerator<Uint8Array> {
    const what = `revision ${String(revision)} of app '${app}' in ${connection.target}`;
    const { rows } = await connection.query<UploadRow>(
      `SELECT upload::text, chunks, size_bytes::text FROM ${this.#schema}.snapshot_revision
       WHERE pair = $1 AND app = $2 AND revision = $3`,
      [this.#options.pair, app, revision],
    );
    const row = rows[0];
    if (row === undefined) throw new TandemError('revision-missing', `${what} is not in the store`);
    const sql = `COPY (SELECT seq, sha256, data FROM ${this.#schema}.snapshot_chunk WHERE upload = ${String(BigInt(row.upload))} ORDER BY seq)
       TO STDOUT (FORMAT binary)`;
    const copy = connection.client.query(to(sql));
    let chunks = 0;
    let size_bytes = 0;
    for await (const chunk of paced(connection, parseRows(copy))) {
      if (chunk.seq !== chunks || !sha256(chunk.data).equals(chunk.sha256)) {
        throw new TandemError(
          'snapshot-corrupt',
          `${what} is damaged: chunk ${String(chunks)} fails its checksum. Use another revision`,
        );
      }
      chunks += 1;
      size_bytes += chunk.data.length;
      yield chunk.data;
    }
    if (chunks !== row.chunks || size_bytes !== Number(row.size_bytes)) {
      throw new TandemError(
        'snapshot-corrupt',
        `${what} is damaged: ${String(size_bytes)} bytes in ${String(chunks)} chunks, not ${row.size_bytes} in ${String(row.chunks)}. Use another revision`,
      );
    }
  }

  // --- deleting

  async #delete(app: AppName, chosen: string, values: readonly unknown[]): Promise<readonly number[]> {
    return this.#connected(async (connection) => {
      const { rows } = await connection.query<{ revision: string }>(
        `WITH gone AS (
           DELETE FROM ${this.#schema}.snapshot_revision
           WHERE pair = $1 AND app = $2 AND revision IN (${chosen}) RETURNING revision, upload),
         chunks AS (DELETE FROM ${this.#schema}.snapshot_chunk WHERE upload IN (SELECT upload FROM gone))
         SELECT revision::text FROM gone ORDER BY revision`,
        [this.#options.pair, app, ...values],
      );
      await this.#reclaim(connection);
      return rows.map((row) => Number(row.revision));
    });
  }

  /**
   * Gives back the space of deleted revisions, and of writes that a crash cut short: autovacuum looks once a minute
   * at best. Another one at work on the table does it too; without the right to vacuum it is left to autovacuum.
   */
  async #reclaim(connection: Connection): Promise<void> {
    await connection.query(`VACUUM (SKIP_LOCKED) ${this.#schema}.snapshot_chunk`).catch(() => undefined);
  }

  // --- connections

  async #open(): Promise<Connection> {
    const { url, schema, answerLimit_ms } = this.#options;
    const connection = await openConnection({
      url,
      role: 'snapshots',
      signal: this.#closing.signal,
      ...(answerLimit_ms !== undefined && { queryLimit_ms: answerLimit_ms }),
    });
    try {
      if (!this.#isMigrated) await migrate(connection, schema);
      this.#isMigrated = true;
      return connection;
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
  }

  #connected<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const call = this.#connectedOnce(work);
    this.#calls.add(call);
    const forget = () => {
      this.#calls.delete(call);
    };
    call.then(forget, forget);
    return call;
  }

  async #connectedOnce<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#open();
    try {
      const result = await work(connection);
      await connection.close();
      return result;
    } catch (thrown) {
      // Ends the transaction whatever state it is in.
      const hasBroken = connection.isClosed;
      connection.destroy();
      await connection.closed;
      throw hasBroken || thrown instanceof DatabaseError ? storeError(thrown, connection.target) : thrown;
    }
  }
}

/** The same, with a limit on how long each may take to come; the consumer may take its time. */
async function* paced<T>(connection: Connection, source: AsyncGenerator<T>): AsyncGenerator<T> {
  for (;;) {
    const next = await connection.limited(source.next());
    if (next.done === true) return;
    yield next.value;
  }
}

function storeError(thrown: unknown, target: string): TandemError {
  if (thrown instanceof TandemError) return thrown;
  return new TandemError(
    'store-failed',
    `the snapshot store failed: ${target} (${toError(thrown).message}). It is tried again.`,
    { cause: thrown },
  );
}
