// How every part of this package reaches PostgreSQL: one connection each, with limits on everything and errors
// that name the place but never the password. Results are always text: pg's binary results are broken for bytea.
import { Socket } from 'node:net';
import { TandemError, toError } from '@tandem/ports';
import { Client, DatabaseError, type Notification, type QueryResult, type QueryResultRow } from 'pg';

export interface ConnectionOptions {
  readonly url: string;
  /** What the connection is for; shows as `tandem <role> <node>` in pg_stat_activity. */
  readonly role: string;
  readonly node?: string | undefined;
  /** Settings of the session, set right after it is open; they win over those of the URL. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default 5 s. */
  readonly connectLimit_ms?: number;
  /** How long one query may take before the connection is given up; default 30 s. */
  readonly queryLimit_ms?: number;
  /** Gives up opening, and destroys the connection later on. */
  readonly signal?: AbortSignal;
  /** Queries are sent without waiting for the answers of those before. */
  readonly pipeline?: boolean;
}

/** A URL fit for logs: the password, wherever it stands, is replaced by `***`. */
export function redactUrl(url: string): string {
  return url.replace(/^([^/]*\/\/[^:@/?]*):.*@/, '$1:***@').replace(/([?&](?:password|sslpassword)=)[^&]*/gi, '$1***');
}

/** One open connection. Not for concurrent queries unless it was opened with `pipeline`. */
export class Connection {
  /** For COPY and for pipelines; queries made here have no limit of their own. */
  readonly client: Client;
  /** `host:port/database`. */
  readonly target: string;
  /** Called for every NOTIFY on a channel that this connection listens to. */
  onNotification: (message: Notification) => void = () => undefined;
  readonly #socket: Socket;
  readonly #queryLimit_ms: number;
  readonly #closed: Promise<Error>;
  #isClosed = false;

  constructor(client: Client, socket: Socket, queryLimit_ms: number) {
    this.client = client;
    this.#socket = socket;
    this.#queryLimit_ms = queryLimit_ms;
    this.target = targetOf(client);
    this.#closed = new Promise((resolve) => {
      let cause = new Error('closed');
      client.on('error', (error) => {
        cause = error;
        // An error outside of a query means that the session is gone or of no use any more.
        this.destroy();
      });
      client.on('end', () => {
        this.#isClosed = true;
        resolve(cause);
      });
    });
    client.on('notification', (message) => {
      this.onNotification(message);
    });
  }

  /** Ended, or given up and about to end. */
  get isClosed(): boolean {
    return this.#isClosed || this.#socket.destroyed;
  }

  /** Resolves once the connection has ended, with what ended it; never rejects. */
  get closed(): Promise<Error> {
    return this.#closed;
  }

  /**
   * A named statement is parsed once per connection.
   * @throws TandemError `database-timeout` (the connection is destroyed), DatabaseError from the server.
   */
  async query<Row extends QueryResultRow>(
    statement: string | { readonly name: string; readonly text: string },
    values: unknown[] = [],
    limit_ms = this.#queryLimit_ms,
  ): Promise<QueryResult<Row>> {
    const config = typeof statement === 'string' ? { text: statement } : statement;
    return this.limited(this.client.query<Row>({ ...config, values }), limit_ms);
  }

  /** Waits for something under way on this connection; destroys the connection when the limit passes. */
  async limited<T>(work: Promise<T>, limit_ms = this.#queryLimit_ms): Promise<T> {
    const limit = { passed: false };
    const timer = setTimeout(() => {
      limit.passed = true;
      this.destroy();
    }, limit_ms);
    timer.unref();
    try {
      return await work;
    } catch (thrown) {
      if (!limit.passed) throw thrown;
      throw new TandemError(
        'database-timeout',
        `PostgreSQL did not answer within ${String(limit_ms)} ms: ${this.target}. Check its load and the network.`,
        { cause: thrown },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it in good order, by force when that takes longer than the limit. Never throws. */
  async close(limit_ms = 1000): Promise<void> {
    if (this.#isClosed) return;
    const timer = setTimeout(() => {
      this.destroy();
    }, limit_ms);
    timer.unref();
    await this.client.end().catch(() => undefined);
    this.destroy();
    clearTimeout(timer);
    await this.#closed;
  }

  /** Ends it at once; a query under way fails, and the server rolls back. */
  destroy(): void {
    this.#socket.destroy();
  }
}

/** @throws TandemError `database-unreachable`, `database-refused`, `database-authentication`, `database-missing` or `database-url`. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const socket = new Socket();
  const client = makeClient(options, socket);
  const connection = new Connection(client, socket, options.queryLimit_ms ?? 30_000);
  const { signal } = options;
  const abort = () => {
    connection.destroy();
  };
  signal?.addEventListener('abort', abort);
  void connection.closed.then(() => signal?.removeEventListener('abort', abort));
  const settings = {
    application_name: ['tandem', options.role, options.node ?? ''].join(' ').trim().slice(0, 63),
    ...options.settings,
  };
  try {
    signal?.throwIfAborted();
    await connection.limited(client.connect(), options.connectLimit_ms ?? 5000);
    await connection.query(
      'SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS setting(name, value)',
      [Object.keys(settings), Object.values(settings)],
      options.connectLimit_ms ?? 5000,
    );
    return connection;
  } catch (thrown) {
    connection.destroy();
    throw connectError(thrown, connection.target, redactUrl(options.url));
  }
}

function makeClient(options: ConnectionOptions, socket: Socket): Client {
  try {
    return new Client({
      connectionString: options.url,
      // Our own socket, so that a connection can be given up at any moment.
      stream: () => socket,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      ...(options.pipeline === true && { pipeline: true }),
    });
  } catch (thrown) {
    throw new TandemError(
      'database-url',
      `not a PostgreSQL URL: '${redactUrl(options.url)}'. Write it like postgres://user:password@host:5432/database`,
      { blame: 'user', cause: thrown },
    );
  }
}

function targetOf(client: Client): string {
  return `${client.host}:${String(client.port)}/${client.database ?? ''}`;
}

/** What people are told when a connection cannot be opened. */
function connectError(thrown: unknown, target: string, url: string): TandemError {
  const error = toError(thrown);
  const code = error instanceof DatabaseError ? error.code : undefined;
  const detail = describeError(error);
  if (code === '3D000') {
    return new TandemError('database-missing', `no such database: ${target}. Create it, or correct ${url}`, {
      blame: 'user',
      cause: error,
    });
  }
  if (code?.startsWith('28') === true || /password|SASL/.test(error.message)) {
    return new TandemError(
      'database-authentication',
      `PostgreSQL refused the login: ${target} (${detail}). Check user and password in ${url}`,
      { blame: 'user', cause: error },
    );
  }
  if (code === '53300' || code === '42704' || code === '42501') {
    return new TandemError('database-refused', `PostgreSQL refused the session: ${target} (${detail}).`, {
      cause: error,
    });
  }
  return new TandemError(
    'database-unreachable',
    `PostgreSQL does not answer: ${target} (${detail}). Check that it runs and that ${url} is right.`,
    { cause: error },
  );
}

/** A line for people; Node's errors for a name with several addresses have no message of their own. */
function describeError(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((inner) => toError(inner).message).join('; ');
  if (error instanceof TandemError && error.code === 'database-timeout') return 'no answer in time';
  return error.message;
}

/** True for errors after which the same statement may succeed on a new connection, or later on this one. */
export function isTransient(thrown: unknown): boolean {
  if (thrown instanceof DatabaseError) {
    // Connection trouble, rollbacks (serialisation, deadlock), lack of resources, shutdown, time-outs.
    return /^(08|40|53|55P03|57|58)/.test(thrown.code ?? '');
  }
  return !(thrown instanceof TandemError) || thrown.blame === 'failure';
}
