// Makes the topics that an app needs, where it is told to, and checks those that are there. Before the lanes start.
import { TandemError } from '@tandem/ports';
import type { Admin } from 'kafkajs';
import { describeTopics, withAdmin, type TopicDescription } from './admin.ts';
import type { KafkaSinkBinding, KafkaSourceBinding, KafkaSystem } from './configuration.ts';
import { positionsTopic, positionsTopicSettings } from './positions-topic.ts';
import { isCompacted } from './topic-facts.ts';

/** What an app has on Kafka. */
export interface AppTopics {
  readonly app: string;
  readonly lanes: number;
  readonly sources: Readonly<Record<string, KafkaSourceBinding>>;
  readonly sinks: Readonly<Record<string, KafkaSinkBinding>>;
}

interface Wanted {
  readonly topic: string;
  /** `source 'orders'`, for messages. */
  readonly use: string;
  readonly create: { readonly partitions: number; readonly replication?: number | undefined } | undefined;
  readonly settings?: Readonly<Record<string, string>>;
  check(found: TopicDescription): void;
}

const appearLimit_ms = 15_000;
const look_ms = 50;

/** Harmless to repeat, and for both nodes at once. @throws TandemError. */
export async function prepareTopics(system: KafkaSystem, pair: string, apps: readonly AppTopics[]): Promise<void> {
  const wanted = apps.flatMap((app) => wantedBy(pair, app));
  if (wanted.length === 0) return;
  await withAdmin(system, async (admin) => {
    const names = wanted.map(({ topic }) => topic);
    let found = await describeTopics(admin, names);
    const missing = wanted.filter(({ topic }) => !found.has(topic));
    if (missing.length > 0) {
      await create(admin, missing);
      found = await appeared(admin, names);
    }
    for (const one of wanted) {
      const topic = found.get(one.topic);
      if (topic !== undefined) one.check(topic);
    }
    for (const app of apps) await widen(admin, positionsTopic(pair, app.app), app, found);
  });
}

function wantedBy(pair: string, { app, lanes, sources, sinks }: AppTopics): Wanted[] {
  const wanted: Wanted[] = [];
  for (const [source, { topic, create, compacted }] of Object.entries(sources)) {
    const use = `source '${source}'`;
    const check = (found: TopicDescription): void => {
      checkPartitions(topic, use, create?.partitions, found);
      if (!compacted && isCompacted(found.settings.get('cleanup.policy') ?? '')) throw compactedSource(topic, use);
    };
    wanted.push({ topic, use, create, check });
  }
  for (const [sink, { topic, create }] of Object.entries(sinks)) {
    const use = `sink '${sink}'`;
    const check = (found: TopicDescription): void => {
      checkPartitions(topic, use, create?.partitions, found);
    };
    wanted.push({ topic, use, create, check });
  }
  if (Object.keys(sinks).length > 0) {
    const topic = positionsTopic(pair, app);
    // One more than lanes: nobody's, to rehearse in.
    const create = { partitions: lanes + 1 };
    const check = (found: TopicDescription): void => {
      checkPositions(topic, found);
    };
    wanted.push({ topic, use: `published positions of app '${app}'`, create, settings: positionsTopicSettings, check });
  }
  return wanted;
}

function checkPartitions(
  topic: string,
  use: string,
  wanted: number | undefined,
  { partitions }: TopicDescription,
): void {
  if (wanted === undefined || wanted === partitions) return;
  const text = `${use}: topic '${topic}' has ${String(partitions)} partitions, but create says ${String(wanted)}. Say ${String(partitions)}, or leave create out`;
  throw new TandemError('topic-partitions', text, { blame: 'user' });
}

/** Whatever deletes records there would lose positions in the end. */
function checkPositions(topic: string, { settings }: TopicDescription): void {
  const policy = settings.get('cleanup.policy');
  if (policy === undefined || policy === 'compact') return;
  const text = `topic '${topic}' keeps published positions, but its cleanup.policy is ${policy}: they would be deleted one day. Set it to compact`;
  throw new TandemError('positions-policy', text, { blame: 'user' });
}

function compactedSource(topic: string, use: string): TandemError {
  const text = `${use}: topic '${topic}' is compacted: after a restart some of its records are not there to be read again. Use a topic with cleanup.policy=delete, or say compacted: true if the app comes to the same without them`;
  return new TandemError('source-compacted', text, { blame: 'user' });
}

/** @throws TandemError where one must not be made. */
async function create(admin: Admin, missing: readonly Wanted[]): Promise<void> {
  const toMake = new Map<string, Wanted>();
  for (const one of missing) {
    if (one.create !== undefined) toMake.set(one.topic, one);
  }
  for (const { topic, use } of missing) {
    if (toMake.has(topic)) continue;
    const text = `${use}: there is no topic '${topic}'. Make it, or add create: { partitions: <number> } beside its name`;
    throw new TandemError('topic-missing', text, { blame: 'user' });
  }
  await admin.createTopics({
    waitForLeaders: false,
    topics: [...toMake.values()].map(({ topic, create: made, settings = {} }) => ({
      topic,
      numPartitions: made?.partitions ?? 1,
      replicationFactor: made?.replication ?? -1,
      configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
    })),
  });
}

/** Not every broker knows of a new topic at once. */
async function appeared(admin: Admin, names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
  const end_ms = Date.now() + appearLimit_ms;
  for (;;) {
    const found = await describeTopics(admin, names).catch((thrown: unknown) => {
      if (Date.now() >= end_ms) throw thrown;
      return new Map<string, TopicDescription>();
    });
    const missing = names.filter((name) => !found.has(name));
    if (missing.length === 0) return found;
    if (Date.now() >= end_ms) {
      throw new TandemError('topic-missing', `topics were made but do not appear: ${missing.join(', ')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, look_ms));
  }
}

/** The app has more lanes than before: one partition each. */
async function widen(
  admin: Admin,
  topic: string,
  { lanes }: AppTopics,
  found: ReadonlyMap<string, TopicDescription>,
): Promise<void> {
  const { partitions = lanes } = found.get(topic) ?? {};
  if (partitions >= lanes) return;
  await admin.createPartitions({ topicPartitions: [{ topic, count: lanes + 1 }] });
}
