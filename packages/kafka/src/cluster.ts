// The cluster as one client sees it: which brokers there are, who leads what, who coordinates which transaction, and a
// connection per broker and purpose. What it knows is asked for again when it turns out to be stale.
import { TandemError, type Clock } from '@tandem/ports';
import { FindCoordinatorKeyTypes, type metadataV12 } from '@platformatic/kafka';
import { parseBroker, type Address } from './broker-address.ts';
import type { KafkaSystem } from './configuration.ts';
import { clients, type Client, type Connect } from './client.ts';
import type { BrokerLink } from './connection.ts';
import { BrokerError, ConnectionLost, unreachable, errorName } from './errors.ts';
import { findCoordinator, metadata, type Request } from './protocol.ts';
import type { Codec } from './records.ts';

export interface ClusterSettings {
  readonly connectLimit_ms: number;
  readonly requestLimit_ms: number;
  /** Where a broker is reached that advertises this address. Default: there. */
  readonly addressOf?: (advertised: Address) => Address;
}

export interface ClusterOptions {
  readonly system: KafkaSystem;
  readonly clock: Clock;
  readonly settings?: Partial<ClusterSettings>;
}

export const clusterDefaults = { connectLimit_ms: 5000, requestLimit_ms: 10_000 } satisfies ClusterSettings;

/** Long polls hold up what is sent behind them on the same connection. */
export type Purpose = 'requests' | 'fetch' | 'follow' | 'group' | 'rehearsal';

export interface TopicState {
  readonly name: string;
  readonly id: string;
  /** Broker that leads each partition; undefined while there is none. */
  readonly leaders: readonly (number | undefined)[];
  /** Copies of each partition, the fewest of all. */
  readonly replication: number;
}

type Metadata = metadataV12.MetadataResponse;

export type CoordinatorOf = 'group' | 'transaction';

export class Cluster {
  readonly clock: Clock;
  /** For what is read and written over its connections. */
  readonly codec: Codec;
  readonly #system: KafkaSystem;
  readonly #settings: ClusterSettings;
  readonly #client: Client;
  #connecting: Promise<Connect> | undefined;
  readonly #brokers = new Map<number, Address>();
  readonly #topics = new Map<string, TopicState>();
  readonly #asking = new Map<string, Promise<TopicState>>();
  readonly #coordinators = new Map<string, number>();
  readonly #connections = new Map<string, Promise<BrokerLink>>();
  #bootstrapTurn = 0;
  #isClosed = false;

  constructor({ system, clock, settings }: ClusterOptions) {
    this.clock = clock;
    this.#system = system;
    this.#client = clients[system.client];
    this.codec = this.#client.codec;
    this.#settings = { ...clusterDefaults, ...settings };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get brokers(): readonly string[] {
    return this.#system.brokers;
  }

  /**
   * As last known, or asked for now.
   * @throws TandemError (user) `topic-missing`, `topic-forbidden`; (failure) `kafka-unreachable`.
   */
  async topic(name: string): Promise<TopicState> {
    return this.#topics.get(name) ?? (await this.refresh(name));
  }

  /** As it was when it was last asked for. */
  knownTopic(name: string): TopicState | undefined {
    return this.#topics.get(name);
  }

  /** Asks anew; for several callers at once only once. */
  async refresh(name: string): Promise<TopicState> {
    const asking = this.#asking.get(name) ?? this.#ask(name).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return await asking;
  }

  /** The broker that leads a partition. @throws BrokerError `LEADER_NOT_AVAILABLE`, ConnectionLost, TandemError. */
  async leader(name: string, partition: number): Promise<number> {
    const known = this.#topics.get(name)?.leaders[partition];
    if (known !== undefined && this.#brokers.has(known)) return known;
    const found = (await asLost(this.refresh(name))).leaders[partition];
    if (found === undefined) throw new BrokerError('Metadata', 'LEADER_NOT_AVAILABLE');
    return found;
  }

  /** What is known of it is stale. */
  forgetTopic(name: string): void {
    this.#topics.delete(name);
  }

  /** The broker that coordinates a transactional id or group. @throws BrokerError, ConnectionLost. */
  async coordinator(of: CoordinatorOf, id: string): Promise<number> {
    const key = `${of} ${id}`;
    const known = this.#coordinators.get(key);
    if (known !== undefined) return known;
    const type = of === 'group' ? FindCoordinatorKeyTypes.GROUP : FindCoordinatorKeyTypes.TRANSACTION;
    const connection = await asLost(this.anyConnection());
    const answer = await connection.send(findCoordinator, [type, [id]]);
    const found = answer.coordinators[0];
    if (found === undefined) throw new BrokerError('FindCoordinator', 'COORDINATOR_NOT_AVAILABLE');
    this.#brokers.set(found.nodeId, { host: found.host, port: found.port });
    this.#coordinators.set(key, found.nodeId);
    return found.nodeId;
  }

  forgetCoordinator(of: CoordinatorOf, id: string): void {
    this.#coordinators.delete(`${of} ${id}`);
  }

  /** @throws ConnectionLost, TandemError. */
  async connection(node: number, purpose: Purpose): Promise<BrokerLink> {
    const address = this.#brokers.get(node);
    if (address === undefined) throw new ConnectionLost(`broker ${String(node)} is not known`, { unsent: true });
    return await this.#connect(this.#settings.addressOf?.(address) ?? address, purpose);
  }

  /** To whichever broker answers. @throws TandemError when none does. */
  async anyConnection(): Promise<BrokerLink> {
    const known = [...this.#brokers.values()].map((address) => this.#settings.addressOf?.(address) ?? address);
    const open = known.find((address) => this.#connections.has(keyOf(address, 'requests')));
    const bootstrap = this.#system.brokers.map(parseBroker);
    // Another one first each time: a broker that hangs is not to be waited for again and again.
    const turn = this.#bootstrapTurn % bootstrap.length;
    const inTurn = [...bootstrap.slice(turn), ...bootstrap.slice(0, turn)];
    let failure: unknown;
    for (const address of [...(open === undefined ? [] : [open]), ...inTurn, ...known]) {
      if (this.#isClosed) break;
      try {
        return await this.#connect(address, 'requests');
      } catch (thrown) {
        if (thrown instanceof TandemError) throw thrown;
        failure ??= thrown;
        this.#bootstrapTurn++;
      }
    }
    throw unreachable(this.#system.brokers, failure ?? new ConnectionLost('closed', { unsent: true }));
  }

  /** Sends to whichever broker answers. @throws TandemError, BrokerError, ConnectionLost. */
  async ask<Arguments extends unknown[], Answer>(
    request: Request<Arguments, Answer>,
    args: Arguments,
  ): Promise<Answer> {
    const connection = await this.anyConnection();
    return await connection.send(request, args);
  }

  /** Ends connections of one purpose at once; the next question makes new ones. */
  disconnect(purpose: Purpose): void {
    for (const [key, connecting] of this.#connections) {
      if (!key.endsWith(` ${purpose}`)) continue;
      void connecting.then(
        (connection) => {
          connection.destroy('not needed any more');
        },
        () => undefined,
      );
    }
  }

  /** Ends all connections at once, answers or not. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    await Promise.all(
      connections.map(async (connecting) => {
        const connection = await connecting.catch(() => undefined);
        connection?.destroy('closed');
      }),
    );
  }

  async #connect(address: Address, purpose: Purpose): Promise<BrokerLink> {
    const key = keyOf(address, purpose);
    const known = this.#connections.get(key);
    if (known !== undefined) return await known;
    const connecting = this.#open(address, key);
    this.#connections.set(key, connecting);
    return await connecting;
  }

  async #open(address: Address, key: string): Promise<BrokerLink> {
    let connection: BrokerLink;
    try {
      this.#connecting ??= this.#client.connecting(this.#system, this.clock, this.#settings);
      connection = await (await this.#connecting)(address);
    } catch (thrown) {
      this.#connections.delete(key);
      throw thrown;
    }
    void connection.closed.then(() => this.#connections.delete(key));
    if (this.#isClosed) connection.destroy('closed');
    return connection;
  }

  async #ask(name: string): Promise<TopicState> {
    const answer = await this.#metadataOf(name);
    // Brokers that are gone are forgotten with their connections; coordinators answered by themselves stay.
    for (const { nodeId, host, port } of answer.brokers) this.#brokers.set(nodeId, { host, port });
    const found = answer.topics[0];
    const error = found === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : errorName(found.errorCode);
    if (error === 'UNKNOWN_TOPIC_OR_PARTITION') {
      this.#topics.delete(name);
      throw new TandemError('topic-missing', `there is no topic '${name}' at ${this.#system.brokers.join(', ')}`, {
        blame: 'user',
      });
    }
    if (error === 'TOPIC_AUTHORIZATION_FAILED') {
      const text = `topic '${name}' is not for this user. Grant Describe on it, Read for a source and Write for a sink`;
      throw new TandemError('topic-forbidden', text, { blame: 'user' });
    }
    if (found === undefined || (error !== 'NONE' && found.partitions.length === 0)) {
      throw new BrokerError('Metadata', error);
    }
    const leaders: (number | undefined)[] = [];
    let replication = Number.POSITIVE_INFINITY;
    for (const { partitionIndex, leaderId, replicaNodes } of found.partitions) {
      leaders[partitionIndex] = leaderId < 0 ? undefined : leaderId;
      replication = Math.min(replication, replicaNodes.length);
    }
    const topic = { name, id: found.topicId, leaders, replication };
    this.#topics.set(name, topic);
    return topic;
  }

  /** An answer that says of some partition that it has no leader is one all the same. */
  async #metadataOf(name: string): Promise<Metadata> {
    try {
      return await this.ask(metadata, [[name], false, false]);
    } catch (thrown) {
      if (thrown instanceof BrokerError && thrown.response !== undefined) return thrown.response as Metadata;
      if (thrown instanceof ConnectionLost) throw unreachable(this.#system.brokers, thrown);
      throw thrown;
    }
  }
}

const passingCodes = new Set(['kafka-unreachable', 'kafka-tls']);

/** In the midst of work it is no more than a lost connection: asked again for as long as the work may take. */
async function asLost<T>(asking: Promise<T>): Promise<T> {
  try {
    return await asking;
  } catch (thrown) {
    if (!(thrown instanceof TandemError) || !passingCodes.has(thrown.code)) throw thrown;
    throw new ConnectionLost(thrown.message, { cause: thrown, unsent: true });
  }
}

function keyOf({ host, port }: Address, purpose: Purpose): string {
  return `${host}:${String(port)} ${purpose}`;
}
