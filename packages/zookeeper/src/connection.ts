// One connection to one server, with all that node-zookeeper-client lets happen made safe: each connection is a client
// object of its own, so that nothing of a broken one (half a packet, requests that wait) is ever used again; every
// request has a deadline; and what the library throws while it takes in an answer ends the connection, not the process.
import { TandemError, toError, type Clock, type Timer } from '@tandem/ports';
import { createClient, CreateMode, Exception, State, type ACL, type Client } from 'node-zookeeper-client';
import { showServer, type Server } from './connect-string.ts';

/** What a session is taken up again with, over another connection. */
export interface SessionKey {
  readonly id: Buffer;
  readonly password: Buffer;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ConnectionOptions {
  readonly server: Server;
  /** Asked for; the server decides. */
  readonly sessionTimeout_ms: number;
  /** Undefined: a new session. */
  readonly session: SessionKey | undefined;
  readonly credentials: Credentials | undefined;
  readonly connectLimit_ms: number;
  readonly clock: Clock;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

export interface Znode {
  readonly text: string;
  readonly version: number;
  /** In hex, of ephemeral nodes; else zeros. */
  readonly owner: string;
}

/** Steps of one atomic change. A `version` must be 1 or more: the library takes 0 for any. */
export type Step =
  | { readonly step: 'check' | 'remove'; readonly path: string; readonly version?: number }
  | { readonly step: 'set'; readonly path: string; readonly text: string; readonly version?: number }
  | { readonly step: 'create'; readonly path: string; readonly text: string; readonly kind: 'kept' | 'ephemeral' };

/** What keeps a change from taking place; it has then not taken place at all. */
export type ChangeOutcome = 'done' | 'no-node' | 'bad-version' | 'node-exists';

/** The server does not know the session (any more): what it held is gone. */
export class SessionExpired extends Error {
  override readonly name = 'SessionExpired';
}

export class Connection {
  readonly server: Server;
  readonly session: SessionKey;
  /** Negotiated. */
  readonly sessionTimeout_ms: number;
  /** Resolves with what ended it; never rejects. */
  readonly closed: Promise<Error>;
  readonly #line: Line;

  private constructor(line: Line, server: Server) {
    const { client } = line;
    this.#line = line;
    this.server = server;
    this.session = { id: client.getSessionId(), password: client.getSessionPassword() };
    this.sessionTimeout_ms = client.getSessionTimeout();
    this.closed = line.ended;
    // An answer that takes longer will not come: answers come in the order of their requests.
    line.answerLimit_ms = (this.sessionTimeout_ms * 2) / 3;
  }

  /** @throws SessionExpired, TandemError, whatever the socket says */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const line = new Line(options);
    await line.attached;
    return new Connection(line, options.server);
  }

  /** The session's id as znodes show it. */
  get owner(): string {
    return this.session.id.toString('hex');
  }

  get isClosed(): boolean {
    return this.#line.isEnded;
  }

  /** Undefined: there is no such node, and it is not watched. */
  async read(path: string, onChange?: () => void): Promise<Znode | undefined> {
    return this.#line.request<Znode | undefined>(`read ${path}`, (client, answer) => {
      client.getData(path, onChange, (error, data, stat) => {
        if (codeOf(error) === Exception.NO_NODE) answer(undefined, undefined);
        else if (error) answer(error, undefined);
        else {
          const { version, ephemeralOwner } = stat;
          answer(undefined, { text: data?.toString() ?? '', version, owner: ephemeralOwner.toString('hex') });
        }
      });
    });
  }

  /** Sorted; undefined: there is no such node. */
  async children(path: string, onChange?: () => void): Promise<readonly string[] | undefined> {
    return this.#line.request<readonly string[] | undefined>(`list ${path}`, (client, answer) => {
      client.getChildren(path, onChange, (error, names) => {
        if (codeOf(error) === Exception.NO_NODE) answer(undefined, undefined);
        else answer(error, error ? undefined : names.toSorted());
      });
    });
  }

  /** All or nothing, and by way of the leader: what is read after it on this connection is not older than it. */
  async change(steps: readonly Step[], acls: readonly ACL[]): Promise<ChangeOutcome> {
    const what = `change ${steps.map(({ step, path }) => `${step} ${path}`).join(', ')}`;
    return this.#line.request<ChangeOutcome>(what, (client, answer) => {
      const transaction = client.transaction();
      for (const one of steps) {
        if (one.step === 'create') {
          const mode = one.kind === 'ephemeral' ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT;
          transaction.create(one.path, Buffer.from(one.text), acls, mode);
          continue;
        }
        const { path, version = -1 } = one;
        if (version === 0) throw new Error(`version 0 of ${path} would be taken for any`);
        if (one.step === 'set') transaction.setData(path, Buffer.from(one.text), version);
        else transaction[one.step](path, version);
      }
      transaction.commit((error) => {
        const outcome = outcomeOf(error);
        answer(outcome === undefined ? error : undefined, outcome ?? 'done');
      });
    });
  }

  /** One node whose version may be 0. */
  async write(path: string, text: string, version: number): Promise<ChangeOutcome> {
    return this.#line.request<ChangeOutcome>(`write ${path}`, (client, answer) => {
      client.setData(path, Buffer.from(text), version, (error) => {
        const outcome = outcomeOf(error);
        answer(outcome === undefined ? error : undefined, outcome ?? 'done');
      });
    });
  }

  /** Ends the session, so that its ephemeral nodes vanish at once; by force when that takes longer. Never throws. */
  async end(limit_ms: number): Promise<void> {
    await this.#line.end(limit_ms);
  }

  /** Ends the connection at once. The session lives on until it expires. */
  destroy(cause: Error): void {
    this.#line.destroy(cause);
  }
}

function codeOf(error: Error | null | undefined): number | undefined {
  return error instanceof Exception ? error.code : undefined;
}

const outcomes: ReadonlyMap<number | undefined, ChangeOutcome> = new Map([
  [Exception.NO_NODE, 'no-node'],
  [Exception.BAD_VERSION, 'bad-version'],
  [Exception.NODE_EXISTS, 'node-exists'],
]);

/** Undefined for errors that say nothing of the nodes. */
function outcomeOf(error: Error | null | undefined): ChangeOutcome | undefined {
  return error ? outcomes.get(codeOf(error)) : 'done';
}

type Answer<T> = (error: Error | null | undefined, value: T) => void;

/** The library's client with its socket, for as long as it lasts. */
class Line {
  readonly client: Client;
  readonly attached: Promise<void>;
  readonly ended: Promise<Error>;
  answerLimit_ms: number;
  readonly #at: string;
  readonly #clock: Clock;
  readonly #waiting = new Set<(cause: Error) => void>();
  #cause: Error | undefined;
  #tellEnded: (cause: Error) => void = () => undefined;

  constructor(options: ConnectionOptions) {
    const { server, session, credentials, clock, signal } = options;
    this.#at = showServer(server);
    this.#clock = clock;
    this.answerLimit_ms = options.connectLimit_ms;
    this.client = createClient(this.#at, {
      sessionTimeout: options.sessionTimeout_ms,
      spinDelay: 0,
      retries: 0,
      ...(session && { sessionId: session.id, sessionPassword: session.password }),
    });
    if (credentials !== undefined) {
      this.client.addAuthInfo('digest', Buffer.from(`${credentials.user}:${credentials.password}`));
    }
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    this.#guard();
    this.attached = this.request<undefined>('connect', (client, answer) => {
      client.on('state', (state) => {
        if (state === State.SYNC_CONNECTED) answer(undefined, undefined);
        else if (state === State.EXPIRED) this.destroy(new SessionExpired('the session has expired'));
        else if (state === State.AUTH_FAILED) this.destroy(new Error(`${this.#at} refused the authentication`));
      });
      client.connect();
    });
    const abort = () => {
      this.destroy(new Error('given up'));
    };
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort);
    const forget = () => signal?.removeEventListener('abort', abort);
    this.attached.then(forget, forget);
  }

  get isEnded(): boolean {
    return this.#cause !== undefined;
  }

  /** @throws TandemError `zookeeper-rights`, or what ended the connection */
  request<T>(what: string, send: (client: Client, answer: Answer<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#cause !== undefined) {
        reject(this.#cause);
        return;
      }
      const settle = (then: () => void) => {
        limit.cancel();
        this.#waiting.delete(fail);
        then();
      };
      const fail = (cause: Error) => {
        settle(() => {
          reject(cause);
        });
      };
      const limit: Timer = this.#clock.after(this.answerLimit_ms, () => {
        const text = `${this.#at} did not answer within ${String(Math.round(this.answerLimit_ms))} ms: ${what}`;
        this.destroy(new TandemError('zookeeper-unanswered', text));
      });
      this.#waiting.add(fail);
      try {
        send(this.client, (error, value) => {
          if (error) fail(this.#cause ?? this.#refusal(error, what));
          else {
            settle(() => {
              resolve(value);
            });
          }
        });
      } catch (thrown) {
        fail(toError(thrown));
      }
    });
  }

  async end(limit_ms: number): Promise<void> {
    if (this.#cause !== undefined) return;
    const limit = this.#clock.after(limit_ms, () => {
      this.destroy(new Error('closed'));
    });
    // The server closes the connection once the session has ended.
    this.client.close();
    await this.ended;
    limit.cancel();
  }

  destroy(cause: Error): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    const { connectionManager: manager } = this.client;
    // The library makes the socket in the next tick.
    process.nextTick(() => {
      clearTimeout(manager.connectTimeoutHandler ?? undefined);
      manager.socket?.destroy();
    });
    for (const fail of this.#waiting) fail(cause);
    this.#tellEnded(cause);
  }

  /** Before the library binds them to its socket. */
  #guard(): void {
    const { connectionManager: manager } = this.client;
    const takeIn = manager.onSocketData.bind(manager);
    let trouble: Error | undefined;
    manager.onSocketData = (bytes) => {
      if (this.#cause !== undefined) return;
      try {
        takeIn(bytes);
      } catch (thrown) {
        // For instance an error code that it does not know.
        this.destroy(new Error(`an answer of ${this.#at} was not understood (${toError(thrown).message})`));
      }
    };
    // Our own limit holds: the library's is the session time-out that is asked for, which a tool may ask to be 1 ms.
    manager.onSocketConnectTimeout = () => undefined;
    manager.onSocketError = (error) => {
      clearTimeout(manager.connectTimeoutHandler ?? undefined);
      trouble = error;
    };
    // The library would connect again by itself, at its own pace and with what is left in its buffers.
    manager.onSocketClosed = () => {
      this.destroy(trouble ?? new Error(`${this.#at} closed the connection`));
    };
  }

  #refusal(error: Error, what: string): Error {
    if (codeOf(error) !== Exception.NO_AUTH && codeOf(error) !== Exception.INVALID_ACL) {
      return new Error(`${this.#at}: ${error.message} (${what})`, { cause: error });
    }
    return new TandemError(
      'zookeeper-rights',
      `ZooKeeper at ${this.#at} does not allow it: ${what}. Give zookeeper.user and zookeeper.password of whoever made it, or correct its ACL.`,
      { blame: 'user', cause: error },
    );
  }
}
