// Where published positions are kept: a compacted topic per app, one partition per lane. Every transaction of a lane
// writes one record there, with all of its tasks, so that the last committed one alone is the truth.
import { Buffer } from 'node:buffer';
import { asEpoch, positionFromText, type Epoch, type Position, type Positions, type TaskId } from '@tandem/pair';
import { TandemError, type PublisherScope } from '@tandem/ports';
import type { BatchWriter } from './records.ts';

export interface PublishedRecord {
  /** That of the opening that wrote it. */
  readonly epoch: Epoch;
  readonly positions: Positions;
}

/** Key of the records that hold positions. */
export const positionsKey = 'positions';

const namePattern = /^[A-Za-z0-9._-]{1,249}$/;

/** @throws TandemError (user) for names that no topic can have. */
export function positionsTopic(pair: string, app: string): string {
  return kafkaName(`tandem.${pair}.${app}.positions`);
}

/** Of whichever app of the pair. */
export function isPositionsTopic(topic: string, pair: string): boolean {
  return topic.startsWith(`tandem.${pair}.`) && topic.endsWith('.positions');
}

/** For people: kafka-consumer-groups shows how far the app is behind its sources. */
export function groupOf(pair: string, app: string): string {
  return `tandem.${pair}.${app}`;
}

/** Who opens it last fences all the others. */
export function transactionalIdOf({ pair, app, lane }: Pick<PublisherScope, 'pair' | 'app' | 'lane'>): string {
  return `tandem.${pair}.${app}.${String(lane)}`;
}

/** Settings that the topic needs, so that it stays small and is never emptied. */
export const positionsTopicSettings: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  // Only closed segments are compacted, and each transaction leaves two small entries.
  'segment.bytes': String(8 << 20),
  'segment.ms': '600000',
  'min.cleanable.dirty.ratio': '0.1',
  // The marks of transactions stay for as long: nobody reads this topic from its beginning for minutes.
  'delete.retention.ms': '60000',
};

function kafkaName(name: string): string {
  if (namePattern.test(name)) return name;
  const text = `'${name}' cannot be the name of a topic. Name pair and app with letters, digits, dots, dashes and underscores, 200 in all`;
  throw new TandemError('topic-name', text, { blame: 'user' });
}

/** One record batch with all positions of a lane. */
export function positionsBatch(
  epoch: Epoch,
  positions: Positions,
  timestamp_ms: number,
  writer: BatchWriter,
): BatchWriter {
  const bytes = Buffer.concat([Buffer.from(positionsKey), encodePublished(epoch, positions)]);
  const keyEnd = positionsKey.length;
  writer.reset();
  writer.addRecord({ bytes, keyStart: 0, keyEnd, valueStart: keyEnd, valueEnd: bytes.length, timestamp_ms }, undefined);
  return writer;
}

function encodePublished(epoch: Epoch, positions: Positions): Buffer {
  const texts: Record<TaskId, string> = {};
  for (const [task, position] of positions) texts[task] = String(position);
  return Buffer.from(JSON.stringify({ epoch, positions: texts }));
}

/** @throws TandemError where the value is not one of ours. */
export function decodePublished(text: string, where: string): PublishedRecord {
  try {
    const { epoch, positions } = JSON.parse(text) as { epoch: unknown; positions: Readonly<Record<string, unknown>> };
    const found = new Map<TaskId, Position>();
    for (const [task, position] of Object.entries(positions)) found.set(task, positionFromText(String(position)));
    return { epoch: asEpoch(Number(epoch)), positions: found };
  } catch (thrown) {
    throw new TandemError(
      'positions-unreadable',
      `published positions at ${where} cannot be understood. Was something else written there?`,
      { cause: thrown },
    );
  }
}
