// One connection to one broker: versions negotiated, every request with a deadline, quotas respected. A request that was
// not answered in time takes the connection with it, for what comes after could not be told apart any more.
import { readFile } from 'node:fs/promises';
import { TandemError, type Clock } from '@tandem/ports';
import {
  apiVersionsV3,
  Connection,
  SASLMechanisms,
  type ConnectionOptions,
  type SASLOptions,
} from '@platformatic/kafka';
import type { Address } from './broker-address.ts';
import type { KafkaSystem } from './configuration.ts';
import { asKafkaError, connectFailed, ConnectionLost, reasonOf } from './errors.ts';
import type { Request } from './protocol.ts';

export interface ConnectionSettings {
  readonly clock: Clock;
  readonly clientId: string;
  readonly connectLimit_ms: number;
  readonly requestLimit_ms: number;
  readonly tls?: ConnectionOptions['tls'];
  /** Undefined: the host connected to. */
  readonly tlsServerName?: string;
  readonly sasl?: SASLOptions;
}

/** The library's own limit must not come first: it leaves the connection unusable without closing it. */
const never_ms = 2_147_483_647;
const inflightMost = 1000;
const keepAlive_ms = 10_000;

/** Reads the certificates. @throws TandemError (user) where a file cannot be read. */
export async function connectionSettings(
  system: KafkaSystem,
  clock: Clock,
  limits: { readonly connectLimit_ms: number; readonly requestLimit_ms: number },
): Promise<ConnectionSettings> {
  const { tls, sasl, clientId } = system;
  const settings = { clock, clientId, ...limits, ...(sasl !== undefined && { sasl: saslOptions(sasl) }) };
  if (tls === undefined) return settings;
  const [ca, cert, key] = await Promise.all([tls.ca, tls.cert, tls.key].map(readPem));
  return {
    ...settings,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(tls.passphrase !== undefined && { passphrase: tls.passphrase }),
    },
    ...(tls.serverName !== undefined && { tlsServerName: tls.serverName }),
  };
}

async function readPem(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (error) {
    throw new TandemError('kafka-tls', `kafka.tls: ${reasonOf(error)}. Name a PEM file that this process may read`, {
      blame: 'user',
      cause: error,
    });
  }
}

function saslOptions({ mechanism, username, password, token }: NonNullable<KafkaSystem['sasl']>): SASLOptions {
  const names = {
    plain: SASLMechanisms.PLAIN,
    'scram-sha-256': SASLMechanisms.SCRAM_SHA_256,
    'scram-sha-512': SASLMechanisms.SCRAM_SHA_512,
    oauthbearer: SASLMechanisms.OAUTHBEARER,
  };
  return {
    mechanism: names[mechanism],
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(token !== undefined && { token }),
  };
}

/** One connection to one broker, whichever client library makes it. */
export interface BrokerLink {
  /** `host:port`, for messages. */
  readonly broker: string;
  /** Resolves when it is gone, whoever ended it. */
  readonly closed: Promise<Error>;
  /** @throws BrokerError, or ConnectionLost when the outcome is not known. */
  send<Arguments extends unknown[], Answer>(
    request: Request<Arguments, Answer>,
    args: Arguments,
    limit_ms?: number,
  ): Promise<Answer>;
  destroy(why: string): void;
}

export class BrokerConnection implements BrokerLink {
  /** `host:port`, for messages. */
  readonly broker: string;
  /** Resolves when it is gone, whoever ended it. */
  readonly closed: Promise<Error>;
  readonly #connection: Connection;
  readonly #settings: ConnectionSettings;
  /** Highest version that the broker speaks, by request. */
  #versions: ReadonlyMap<number, { readonly least: number; readonly most: number }> = new Map();
  #lost: Error | undefined;
  #throttledUntil_ms = 0;
  #tellClosed: (cause: Error) => void = () => undefined;

  private constructor(connection: Connection, broker: string, settings: ConnectionSettings) {
    this.#connection = connection;
    this.broker = broker;
    this.#settings = settings;
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    connection.on('error', (error) => {
      this.#lost ??= error;
    });
    connection.on('close', () => {
      this.#lost ??= new ConnectionLost(`connection to ${broker} was closed by the broker`);
      this.#tellClosed(this.#lost);
    });
  }

  /** @throws ConnectionLost, or a TandemError for a broker that is too old. */
  static async open({ host, port }: Address, settings: ConnectionSettings): Promise<BrokerConnection> {
    const { clock, clientId, connectLimit_ms, tls, tlsServerName, sasl } = settings;
    const broker = host.includes(':') ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
    const connection = new Connection(clientId, {
      connectTimeout: connectLimit_ms,
      requestTimeout: never_ms,
      maxInflights: inflightMost,
      ...(tls !== undefined && { tls }),
      ...(tlsServerName !== undefined && { tlsServerName }),
      ...(sasl !== undefined && { sasl }),
    });
    const opened = new BrokerConnection(connection, broker, settings);
    // With a login the library's own limit covers only a part of it.
    const limit = clock.after(connectLimit_ms, () => {
      opened.destroy(`no connection within ${String(connectLimit_ms)} ms`);
    });
    let isConnected = false;
    try {
      await connection.connect(host, port);
      isConnected = true;
      connection.socket.setKeepAlive(true, keepAlive_ms);
      await opened.#negotiate();
      return opened;
    } catch (thrown) {
      opened.destroy('not connected');
      if (thrown instanceof TandemError) throw thrown;
      throw connectFailed(broker, thrown, { wasSilent: isConnected && tls === undefined });
    } finally {
      limit.cancel();
    }
  }

  get isClosed(): boolean {
    return this.#lost !== undefined;
  }

  /** The version that both sides speak; undefined where there is none. */
  versionOf({ key, versions }: Request<never[], unknown>): number | undefined {
    const spoken = this.#versions.get(key);
    if (spoken === undefined) return undefined;
    const common = [...versions.keys()].filter((version) => version >= spoken.least && version <= spoken.most);
    return common.length === 0 ? undefined : Math.max(...common);
  }

  /**
   * Requests are carried out by the broker in the order in which they were sent on one connection.
   * @throws BrokerError, or ConnectionLost when the outcome is not known.
   */
  async send<Arguments extends unknown[], Answer>(
    request: Request<Arguments, Answer>,
    args: Arguments,
    limit_ms = this.#settings.requestLimit_ms,
  ): Promise<Answer> {
    const { clock } = this.#settings;
    const throttled_ms = this.#throttledUntil_ms - clock.now_ms();
    if (throttled_ms > 0) await new Promise<void>((resolve) => clock.after(throttled_ms, resolve));
    if (this.#lost !== undefined) {
      throw new ConnectionLost(`${request.name} to ${this.broker}: ${reasonOf(this.#lost)}`, { unsent: true });
    }
    const send = this.#sender(request);
    return await new Promise<Answer>((resolve, reject) => {
      const limit = clock.after(limit_ms, () => {
        this.destroy(`${request.name} was not answered within ${String(limit_ms)} ms`);
      });
      send(this.#connection, ...args, (error: Error | null, answer?: Answer) => {
        limit.cancel();
        if (error === null) {
          this.#respectQuota(answer);
          resolve(answer as Answer);
          return;
        }
        const failure = asKafkaError(request.name, this.broker, this.#lost ?? error);
        // An answer that cannot be understood: what follows it may not be either.
        if (failure instanceof ConnectionLost) this.destroy(failure.message);
        reject(failure);
      });
    });
  }

  destroy(why: string): void {
    if (this.#lost === undefined) {
      this.#lost = new ConnectionLost(`connection to ${this.broker} given up: ${why}`);
      this.#tellClosed(this.#lost);
    }
    // Undefined before it has begun to connect.
    (this.#connection.socket as { destroy(): void } | undefined)?.destroy();
    // Ends its timer for the next login.
    void this.#connection.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#lost ??= new ConnectionLost(`connection to ${this.broker} was closed`);
    this.#tellClosed(this.#lost);
    await this.#connection.close();
  }

  #sender<Arguments extends unknown[], Answer>(request: Request<Arguments, Answer>) {
    const send = request.versions.get(this.versionOf(request as unknown as Request<never[], unknown>) ?? -1);
    if (send !== undefined) return send;
    const spoken = this.#versions.get(request.key);
    const found = spoken === undefined ? 'none' : `${String(spoken.least)} to ${String(spoken.most)}`;
    const text = `Kafka at ${this.broker} is too old or too new: of ${request.name} it speaks versions ${found}. Kafka 3.5 to 4.x is needed`;
    throw new TandemError('kafka-version', text, { blame: 'user' });
  }

  async #negotiate(): Promise<void> {
    const { apiKeys } = await apiVersionsV3.api.async(this.#connection, 'tandem', '1');
    this.#versions = new Map(
      apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { least: minVersion, most: maxVersion }]),
    );
  }

  #respectQuota(answer: unknown): void {
    const throttled_ms = (answer as { readonly throttleTimeMs?: number } | undefined)?.throttleTimeMs ?? 0;
    if (throttled_ms > 0) this.#throttledUntil_ms = this.#settings.clock.now_ms() + throttled_ms;
  }
}
