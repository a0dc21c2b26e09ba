// One connection to one broker, made by kafkajs: every request with a deadline. As with the other client a request that
// was not answered in time takes the connection with it.
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { TandemError, type Clock } from '@tandem/ports';
import type { Address } from '../broker-address.ts';
import type { Connect, ConnectionLimits } from '../client.ts';
import type { KafkaSystem } from '../configuration.ts';
import type { BrokerLink } from '../connection.ts';
import { BrokerError, connectFailed, ConnectionLost, reasonOf } from '../errors.ts';
import type { Request } from '../protocol.ts';
import { introduce, loadKafkajs, newConnection, type Versions } from './internals.ts';
import { callOf, type Send } from './requests.ts';
import { encryption, login } from './settings.ts';

interface Settings extends ConnectionLimits {
  readonly clock: Clock;
  readonly clientId: string;
  readonly ssl: object | undefined;
  readonly sasl: object | undefined;
}

const keepAlive_ms = 10_000;

/** Loads kafkajs and reads the certificates. @throws TandemError (user) where a file cannot be read. */
export async function kafkajsConnecting(system: KafkaSystem, clock: Clock, limits: ConnectionLimits): Promise<Connect> {
  await loadKafkajs();
  const { ssl } = await encryption(system);
  const sasl = system.sasl === undefined ? undefined : login(system.sasl);
  const { connectLimit_ms, requestLimit_ms } = limits;
  const { clientId } = system;
  const settings = { clock, clientId, connectLimit_ms, requestLimit_ms, ssl: asObject(ssl), sasl };
  return (address) => KafkajsConnection.open(address, settings);
}

class KafkajsConnection implements BrokerLink {
  readonly broker: string;
  readonly closed: Promise<Error>;
  readonly #settings: Settings;
  readonly #connection: ReturnType<typeof newConnection>;
  #versions: Versions = {};
  #socket: Socket | undefined;
  #isConnected = false;
  #lost: Error | undefined;
  #tellClosed: (cause: Error) => void = () => undefined;

  private constructor({ host, port }: Address, settings: Settings) {
    this.broker = host.includes(':') ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
    this.#settings = settings;
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    const { clientId, connectLimit_ms: connectionTimeout, ssl, sasl } = settings;
    const socketFactory = (options: Parameters<typeof connect>[0]): Socket => {
      const socket = connect(options);
      this.#socket = socket;
      // kafkajs does not look at this, and would wait for answers for ever.
      socket.on('close', () => {
        this.#lose(new ConnectionLost(`connection to ${this.broker} was closed by the broker`));
      });
      return socket;
    };
    this.#connection = newConnection({ host, port, clientId, connectionTimeout, socketFactory, ssl, sasl });
  }

  /** @throws ConnectionLost, or a TandemError for a broker that is too old. */
  static async open(address: Address, settings: Settings): Promise<KafkajsConnection> {
    const { clock, connectLimit_ms } = settings;
    const opened = new KafkajsConnection(address, settings);
    const limit = clock.after(connectLimit_ms, () => {
      opened.destroy(`no connection within ${String(connectLimit_ms)} ms`);
    });
    try {
      // A broker that closes in the midst of a login leaves kafkajs waiting.
      await Promise.race([opened.#connect(), opened.#ended()]);
      return opened;
    } catch (thrown) {
      opened.destroy('not connected');
      throw connectFailed(opened.broker, thrown, { wasSilent: opened.#isConnected && settings.ssl === undefined });
    } finally {
      limit.cancel();
    }
  }

  async send<Arguments extends unknown[], Answer>(
    request: Request<Arguments, Answer>,
    args: Arguments,
    limit_ms = this.#settings.requestLimit_ms,
  ): Promise<Answer> {
    if (this.#lost !== undefined) {
      throw new ConnectionLost(`${request.name} to ${this.broker}: ${reasonOf(this.#lost)}`, { unsent: true });
    }
    const call = callOf(request, this.#versions, this.broker);
    const limit = this.#settings.clock.after(limit_ms, () => {
      this.destroy(`${request.name} was not answered within ${String(limit_ms)} ms`);
    });
    const send: Send = (protocol) => this.#connection.send(protocol);
    try {
      return await call(send, ...args);
    } catch (thrown) {
      if (thrown instanceof BrokerError || thrown instanceof TandemError) throw thrown;
      const why = reasonOf(this.#cause() ?? thrown);
      // Also an answer that cannot be understood: what follows it may not be either.
      this.destroy(why);
      throw new ConnectionLost(`${request.name} to ${this.broker}: ${why}`, { cause: thrown });
    } finally {
      limit.cancel();
    }
  }

  destroy(why: string): void {
    this.#lose(new ConnectionLost(`connection to ${this.broker} given up: ${why}`));
    this.#socket?.destroy();
  }

  async #connect(): Promise<void> {
    await this.#connection.connect();
    this.#isConnected = true;
    this.#versions = await introduce(this.#connection);
  }

  /** Read afresh: it may have been lost during any wait. */
  #cause(): Error | undefined {
    return this.#lost;
  }

  /** Rejects when it is over, a moment later: an answer that says why may have come just before. */
  async #ended(): Promise<never> {
    const cause = await this.closed;
    await new Promise((resolve) => setImmediate(resolve));
    throw cause;
  }

  #lose(cause: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = cause;
    this.#tellClosed(cause);
    // Whatever waits for an answer.
    this.#connection.rejectRequests(cause);
    void this.#connection.disconnect().catch(() => undefined);
  }
}

function connect({
  host,
  port,
  ssl,
  onConnect,
}: {
  readonly host: string;
  readonly port: number;
  readonly ssl?: object | null;
  readonly onConnect: () => void;
}): Socket {
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  const socket =
    ssl === null || ssl === undefined
      ? net.connect({ host, port }, onConnect)
      : tls.connect({ host, port, ...name, ...ssl }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAlive_ms);
  return socket;
}

function asObject(ssl: unknown): object | undefined {
  return typeof ssl === 'object' && ssl !== null ? ssl : undefined;
}
