// Looks at the topics that a publisher writes to before it does: they are there, and fit for it.
import { TandemError, type LaneContext, type PublisherScope } from '@tandem/ports';
import type { Cluster, TopicState } from './cluster.ts';
import type { KafkaSinkBinding } from './configuration.ts';
import { BrokerError } from './errors.ts';
import type { SinkTopic } from './publisher-outputs.ts';
import type { SinkNaming } from './publisher-transaction.ts';
import { requireTopic, topicSettings } from './topic-facts.ts';

export interface FoundSinks {
  /** In the order given. */
  readonly sinks: readonly SinkTopic[];
  readonly namings: readonly SinkNaming[];
  /** A partition of the positions topic that no lane uses; undefined where it was made without. */
  readonly sparePartition: number | undefined;
}

/** @throws TandemError. */
export async function findSinks(
  cluster: Cluster,
  sinks: readonly { readonly sink: string; readonly binding: KafkaSinkBinding }[],
  scope: PublisherScope,
  positionsTopic: string,
  log: LaneContext['log'],
): Promise<FoundSinks> {
  const found: SinkTopic[] = [];
  for (const { sink, binding } of sinks) {
    const { topic, compression } = binding;
    const { leaders } = await requireSink(cluster, sink, topic);
    const limit_bytes = await messageLimit(cluster, topic, log);
    found.push({ sink, topic, partitions: leaders.length, compression, limit_bytes });
  }
  const namings = found.map(({ topic, limit_bytes }) => ({
    topic,
    limit_bytes,
    sinks: found.filter((other) => other.topic === topic).map(({ sink }) => sink),
  }));
  const { leaders } = await requirePositions(cluster, scope, positionsTopic);
  const spare = leaders.length - 1;
  return { sinks: found, namings, sparePartition: spare >= scope.lanes ? spare : undefined };
}

async function requireSink(cluster: Cluster, sink: string, topic: string): Promise<TopicState> {
  try {
    return await requireTopic(cluster, topic);
  } catch (thrown) {
    if (!(thrown instanceof TandemError) || thrown.code !== 'topic-missing') throw thrown;
    throw new TandemError(
      thrown.code,
      `sink '${sink}': ${thrown.message}. Make it, or add create: { partitions: <number> } beside its name`,
      { blame: 'user', cause: thrown },
    );
  }
}

async function requirePositions(cluster: Cluster, { lanes }: PublisherScope, topic: string): Promise<TopicState> {
  let found: TopicState;
  try {
    found = await requireTopic(cluster, topic);
  } catch (thrown) {
    if (!(thrown instanceof TandemError) || thrown.code !== 'topic-missing') throw thrown;
    throw new TandemError(
      thrown.code,
      `${thrown.message}, where published positions are kept. 'tandem run' makes it; to make it by hand: ${String(lanes + 1)} partitions, cleanup.policy=compact`,
      { blame: 'user', cause: thrown },
    );
  }
  if (found.leaders.length >= lanes) return found;
  throw new TandemError(
    'topic-partitions',
    `topic '${topic}' has ${String(found.leaders.length)} partitions, but the app has ${String(lanes)} lanes, one partition each. Add partitions to it`,
    { blame: 'user' },
  );
}

async function messageLimit(cluster: Cluster, topic: string, log: LaneContext['log']): Promise<number | undefined> {
  const settings = await topicSettings(cluster, topic, ['max.message.bytes']);
  if (settings instanceof BrokerError) {
    log('info', `max.message.bytes of topic '${topic}' is not known; the default is assumed`, {
      cause: settings.message,
    });
    return undefined;
  }
  const limit_bytes = Number(settings.get('max.message.bytes'));
  return limit_bytes > 0 ? limit_bytes : undefined;
}
