// What of a cluster's settings would hurt a pair that uses it as it is configured to. Pure: judges what was found.
import type { DoctorFinding } from '@tandem/ports';
import { showDuration } from '@tandem/ports/configuration';
import { isCompacted } from './topic-facts.ts';

/** Settings in effect by name; empty where this user may not see them. */
export type Settings = ReadonlyMap<string, string>;

export interface BrokerFacts {
  readonly address: string;
  readonly settings: Settings;
  /** Requests of which it speaks no version that Tandem does, or why it did not say. */
  readonly unspoken: readonly string[] | { readonly unreachable: string };
}

export interface TopicFacts {
  readonly replication: number;
  readonly settings: Settings;
}

/** How the pair uses a topic. */
export type TopicUse =
  | {
      readonly as: 'source';
      readonly topic: string;
      readonly compacted: boolean;
      readonly made: { readonly replication?: number | undefined } | undefined;
    }
  | {
      readonly as: 'sink';
      readonly topic: string;
      readonly publishMaxBytes: number;
      readonly made: { readonly replication?: number | undefined } | undefined;
    }
  | { readonly as: 'positions'; readonly topic: string };

export interface KafkaFacts {
  readonly transactionTimeout_ms: number;
  readonly persistenceInterval_ms: number;
  readonly brokers: readonly BrokerFacts[];
  /** Of the brokers' own topic of transactions; undefined before the first one. */
  readonly transactionLog: TopicFacts | undefined;
  readonly uses: readonly TopicUse[];
  /** Those that there are, by name. */
  readonly topics: ReadonlyMap<string, TopicFacts>;
}

/** Revisions that a retention must cover to be no concern, and to be enough at all. */
const easyIntervals = 10;
const leastIntervals = 2;

export function judgeKafka(facts: KafkaFacts): readonly DoctorFinding[] {
  return [
    ...brokerVersions(facts),
    ...transactionTimeout(facts),
    ...transactionLog(facts),
    ...missingTopics(facts),
    ...replicas(facts),
    ...retention(facts),
    ...compaction(facts),
    ...batchSizes(facts),
    ...rights(facts),
  ];
}

function brokerVersions({ brokers }: KafkaFacts): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  for (const { address, unspoken } of brokers) {
    if ('unreachable' in unspoken) {
      findings.push({
        level: 'error',
        what: `broker ${address} does not answer: ${unspoken.unreachable}`,
        why: 'the partitions that it leads can be neither read nor written from here',
        todo: 'start it, or have it advertise an address (advertised.listeners) that both nodes reach',
      });
    } else if (unspoken.length > 0) {
      findings.push({
        level: 'error',
        what: `broker ${address} is too old or too new: it speaks no version of ${unspoken.join(', ')} that Tandem does`,
        why: 'apps with sources or sinks there do not start',
        todo: 'run Kafka 3.5 to 4.x',
      });
    }
  }
  return findings;
}

function transactionTimeout({ transactionTimeout_ms, brokers }: KafkaFacts): DoctorFinding[] {
  const limits_ms = brokers.flatMap(({ settings }) => numberOf(settings, 'transaction.max.timeout.ms') ?? []);
  const least_ms = Math.min(...limits_ms);
  if (limits_ms.length === 0 || transactionTimeout_ms <= least_ms) return [];
  return [
    {
      level: 'error',
      what: `kafka.transactionTimeout is ${showDuration(transactionTimeout_ms)}, and the brokers allow ${showDuration(least_ms)} (transaction.max.timeout.ms)`,
      why: 'the brokers refuse to open a publisher: nothing is published',
      todo: `set kafka.transactionTimeout to ${showDuration(least_ms)} or less, or raise transaction.max.timeout.ms of all brokers`,
    },
  ];
}

/** Of the topic itself where there is one: what brokers are told counts when it is made. */
function transactionLog({ transactionLog: log, brokers }: KafkaFacts): DoctorFinding[] {
  const told = (name: string): number | undefined => {
    const values = brokers.flatMap(({ settings }) => numberOf(settings, name) ?? []);
    return values.length === 0 ? undefined : Math.min(...values);
  };
  const copies = log?.replication ?? told('transaction.state.log.replication.factor');
  const inSync =
    (log && numberOf(log.settings, 'min.insync.replicas')) ?? told('transaction.state.log.min.isr') ?? undefined;
  const findings: DoctorFinding[] = [];
  if (copies === 1) {
    findings.push({
      level: 'warning',
      what: 'the brokers keep one copy of their transactions (transaction.state.log.replication.factor 1)',
      why: 'while the broker that holds it is away nothing is published by some apps, or by any; if its disk is lost, so is the fence, and outputs can be published twice',
      todo:
        log === undefined
          ? 'set transaction.state.log.replication.factor = 3 and transaction.state.log.min.isr = 2 before the first transaction'
          : 'give topic __transaction_state three replicas (kafka-reassign-partitions) and min.insync.replicas = 2',
    });
  } else if (copies !== undefined && inSync !== undefined) {
    if (inSync === 1) {
      findings.push({
        level: 'warning',
        what: 'one broker is enough to write a transaction down (transaction.state.log.min.isr 1)',
        why: 'when that one is lost before others have copied it, a commit that was confirmed is undone, or a fence is forgotten',
        todo: 'set transaction.state.log.min.isr = 2, and min.insync.replicas = 2 on topic __transaction_state',
      });
    }
    if (inSync >= copies) findings.push(allNeeded('topic __transaction_state', copies));
  }
  return findings;
}

function missingTopics({ uses, topics }: KafkaFacts): DoctorFinding[] {
  return uses
    .filter((use) => use.as !== 'positions' && use.made === undefined && !topics.has(use.topic))
    .map(({ as, topic }) => ({
      level: 'error',
      what: `there is no topic '${topic}', which is a ${as}`,
      why: 'the app does not start',
      todo: 'make it, or add create: { partitions: <number> } beside its name',
    }));
}

function replicas({ uses, topics, brokers }: KafkaFacts): DoctorFinding[] {
  const single: string[] = [];
  const oneInSync: string[] = [];
  const allInSync = new Map<number, string[]>();
  const unclean: string[] = [];
  for (const topic of namesOf(uses)) {
    const { replication, settings } = topics.get(topic) ?? {
      replication: toBeMade(uses, topic, brokers),
      settings: new Map(),
    };
    if (replication === 1) single.push(topic);
    const inSync = numberOf(settings, 'min.insync.replicas');
    if (replication !== undefined && replication > 1 && inSync !== undefined) {
      if (inSync === 1) oneInSync.push(topic);
      if (inSync >= replication) allInSync.set(replication, [...(allInSync.get(replication) ?? []), topic]);
    }
    if (settings.get('unclean.leader.election.enable') === 'true') unclean.push(topic);
  }
  const findings: DoctorFinding[] = [];
  if (single.length > 0) {
    findings.push({
      level: 'warning',
      what: `${topicsText(single)} ${one(single, 'has', 'have')} one copy (replication factor 1)`,
      why: 'while the broker that holds it is away both nodes wait; if its disk is lost, inputs, outputs or published positions are',
      todo: 'run three brokers and give each topic three replicas (kafka-reassign-partitions; `create: { replication: 3 }` for new ones)',
    });
  }
  if (oneInSync.length > 0) {
    findings.push({
      level: 'warning',
      what: `one broker is enough to take a record of ${topicsText(oneInSync)} (min.insync.replicas 1)`,
      why: 'when that one is lost before others have copied it, records that were confirmed are gone: inputs that have been processed, or outputs whose positions say that they are published',
      todo: 'set min.insync.replicas = 2 with three replicas',
    });
  }
  for (const [replication, names] of allInSync) findings.push(allNeeded(topicsText(names), replication));
  if (unclean.length > 0) {
    findings.push({
      level: 'warning',
      what: `unclean.leader.election.enable is true for ${topicsText(unclean)}`,
      why: 'a broker that has not copied everything may become the leader, and what it has not copied is gone, though it was confirmed',
      todo: 'set unclean.leader.election.enable = false',
    });
  }
  return findings;
}

function allNeeded(what: string, replication: number): DoctorFinding {
  return {
    level: 'warning',
    what: `every copy of ${what} must be in sync to write (min.insync.replicas ${String(replication)} of ${String(replication)})`,
    why: 'one broker that is away, for a restart too, stops publishing',
    todo: 'set min.insync.replicas below the replication factor: 2 of 3',
  };
}

/** What a restart needs: every input since the positions of the newest revision. */
function retention({ uses, topics, persistenceInterval_ms }: KafkaFacts): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  for (const topic of namesOf(uses.filter(({ as }) => as === 'source'))) {
    const { settings = new Map<string, string>() } = topics.get(topic) ?? {};
    const policy = settings.get('cleanup.policy') ?? '';
    if (policy !== '' && !policy.split(',').some((one) => one.trim() === 'delete')) continue;
    const retention_ms = numberOf(settings, 'retention.ms');
    const enough_ms = easyIntervals * persistenceInterval_ms;
    if (retention_ms !== undefined && retention_ms >= 0 && retention_ms < enough_ms) {
      findings.push({
        level: retention_ms < leastIntervals * persistenceInterval_ms ? 'error' : 'warning',
        what: `source topic '${topic}' keeps records for ${showDuration(retention_ms)} (retention.ms), and revisions are ${showDuration(persistenceInterval_ms)} apart`,
        why: 'a node that is down for longer than that, or a revision that could not be stored, and the inputs after the newest revision are gone: the app fails with an input gap',
        todo: `set retention.ms to a day or more, at least ${showDuration(enough_ms)}: longer than both nodes may ever be down`,
      });
    }
    const retention_bytes = numberOf(settings, 'retention.bytes');
    if (retention_bytes !== undefined && retention_bytes >= 0) {
      findings.push({
        level: 'note',
        what: `source topic '${topic}' keeps ${String(retention_bytes)} bytes per partition (retention.bytes)`,
        why: 'a burst of inputs shortens the time for which they are kept; what a restart needs can be gone',
        todo: 'make sure that it holds more than what comes while both nodes are down, or set it to -1 and rely on retention.ms',
      });
    }
  }
  return findings;
}

function compaction({ uses, topics }: KafkaFacts): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  for (const use of uses) {
    const policy = topics.get(use.topic)?.settings.get('cleanup.policy');
    if (policy === undefined) continue;
    if (use.as === 'source' && isCompacted(policy)) {
      findings.push(
        use.compacted
          ? {
              level: 'note',
              what: `source topic '${use.topic}' is compacted, and declared to be`,
              why: 'a replay does not see the records that newer ones have replaced: the app must come to the same state and outputs without them',
              todo: 'nothing, if it does; else use a topic with cleanup.policy=delete',
            }
          : {
              level: 'error',
              what: `source topic '${use.topic}' is compacted`,
              why: 'after a restart some of its records are not there to be read again: the app does not start',
              todo: 'use a topic with cleanup.policy=delete, or say compacted: true if the app comes to the same without them',
            },
      );
    }
    if (use.as === 'positions' && policy !== 'compact') {
      findings.push({
        level: 'error',
        what: `topic '${use.topic}' keeps published positions, but its cleanup.policy is ${policy}`,
        why: 'they would be deleted one day, and the app fails: what was published would not be known',
        todo: 'set cleanup.policy = compact',
      });
    }
  }
  return findings;
}

/** What topics take at once unless they are told otherwise, in round numbers. */
const usualBatch_bytes = 1 << 20;

function batchSizes({ uses, topics }: KafkaFacts): DoctorFinding[] {
  const least = new Map<string, { readonly limit_bytes: number; readonly publishMaxBytes: number }>();
  for (const use of uses) {
    if (use.as !== 'sink') continue;
    const limit_bytes = numberOf(topics.get(use.topic)?.settings ?? new Map(), 'max.message.bytes');
    if (limit_bytes === undefined || limit_bytes >= Math.min(use.publishMaxBytes, usualBatch_bytes)) continue;
    least.set(use.topic, { limit_bytes, publishMaxBytes: use.publishMaxBytes });
  }
  return [...least].map(([topic, { limit_bytes, publishMaxBytes }]) => ({
    level: 'note',
    what: `sink topic '${topic}' takes at most ${String(limit_bytes)} bytes at once (max.message.bytes); a transaction may hold ${String(publishMaxBytes)} (publish.maxBytes)`,
    why: 'larger transactions are written in several batches; but a single output that is larger makes the app fail',
    todo: 'nothing, if every output is smaller; else raise max.message.bytes',
  }));
}

function rights({ uses, topics, brokers }: KafkaFacts): DoctorFinding[] {
  const hidden = namesOf(uses).filter((topic) => topics.get(topic)?.settings.size === 0);
  const isHidden = brokers.some(({ settings }) => settings.size === 0);
  if (hidden.length === 0 && !isHidden) return [];
  const what = [...(isHidden ? ['the brokers'] : []), ...(hidden.length > 0 ? [topicsText(hidden)] : [])].join(' and ');
  return [
    {
      level: 'note',
      what: `this user may not see the settings of ${what}`,
      why: 'what depends on them was not looked at',
      todo: 'grant DescribeConfigs on the cluster and on the topics, or ask again as a user who has it',
    },
  ];
}

/** Copies that a topic will have which is not there yet; undefined where nobody says. */
function toBeMade(uses: readonly TopicUse[], topic: string, brokers: readonly BrokerFacts[]): number | undefined {
  const made = uses.flatMap((use) =>
    use.topic === topic && use.as !== 'positions' && use.made !== undefined ? [use.made] : [],
  );
  if (made.length === 0) return undefined;
  const told = brokers.flatMap(({ settings }) => numberOf(settings, 'default.replication.factor') ?? []);
  return (
    made.find(({ replication }) => replication !== undefined)?.replication ??
    (told.length === 0 ? undefined : Math.min(...told))
  );
}

function namesOf(uses: readonly TopicUse[]): readonly string[] {
  return [...new Set(uses.map(({ topic }) => topic))];
}

function numberOf(settings: Settings, name: string): number | undefined {
  const text = settings.get(name);
  const value = Number(text);
  return text === undefined || text === '' || !Number.isFinite(value) ? undefined : value;
}

function topicsText(names: readonly string[]): string {
  return `${one(names, 'topic', 'topics')} ${names.map((name) => `'${name}'`).join(', ')}`;
}

function one(names: readonly string[], singular: string, plural: string): string {
  return names.length === 1 ? singular : plural;
}
