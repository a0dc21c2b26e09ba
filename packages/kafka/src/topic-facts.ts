// What a topic must be like to be used, looked at from within a lane: it is there, and how it is configured.
import { TandemError } from '@tandem/ports';
import { ConfigResourceTypes } from '@platformatic/kafka';
import type { Cluster, TopicState } from './cluster.ts';
import { BrokerError } from './errors.ts';
import { describeConfigs } from './protocol.ts';
import { pause, persistently } from './retrying.ts';

/** A topic that has just been made is not known to every broker at once. */
const appearLimit_ms = 3000;
const answerLimit_ms = 10_000;

/** The topic, once all of its partitions have leaders. @throws TandemError. */
export async function requireTopic(cluster: Cluster, name: string): Promise<TopicState> {
  const end_ms = cluster.clock.now_ms() + appearLimit_ms;
  for (;;) {
    try {
      const topic = await persistently(cluster, { topic: name }, answerLimit_ms, () => cluster.refresh(name));
      if (topic.leaders.every((leader) => leader !== undefined) || cluster.clock.now_ms() >= end_ms) return topic;
    } catch (thrown) {
      if (thrown instanceof BrokerError) {
        throw new TandemError('topic-unavailable', `topic '${name}' cannot be looked at: ${thrown.message}`, {
          cause: thrown,
        });
      }
      const isMissing = thrown instanceof TandemError && thrown.code === 'topic-missing';
      if (!isMissing || cluster.clock.now_ms() >= end_ms) throw thrown;
    }
    await pause(cluster.clock, 50);
  }
}

/** Settings in effect by name, or why they are not known: looking at them needs a right of its own (DescribeConfigs). */
export async function topicSettings(
  cluster: Cluster,
  topic: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string> | BrokerError> {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: [...names] };
  try {
    const answer = await persistently(cluster, {}, answerLimit_ms, () =>
      cluster.ask(describeConfigs, [[resource], false, false]),
    );
    const configs = answer.results[0]?.configs ?? [];
    return new Map(
      configs.flatMap(({ name, value }) => (value === null || value === undefined ? [] : [[name, value]])),
    );
  } catch (thrown) {
    if (thrown instanceof BrokerError) return thrown;
    throw thrown;
  }
}

/** Whether `cleanup.policy` lets records go that newer ones of the same key replace. */
export function isCompacted(cleanupPolicy: string): boolean {
  return cleanupPolicy.split(',').some((policy) => policy.trim() === 'compact');
}
