// Publishers for tests, and harm done to them from the side.
import type { Publisher } from '@tandem/ports';
import { outputBatch, type NewOutput } from '@tandem/ports/contract';
import { createPostgresPublisher, type PostgresSinkBinding, type PublisherSettings } from '@tandem/postgres';
import { clock } from '@tandem/ports/contract';
import { withClient } from './database.ts';

export function createPublisher(
  url: string,
  app: string,
  sinks: Readonly<Record<string, PostgresSinkBinding>>,
  settings: Partial<PublisherSettings> = {},
): Promise<Publisher> {
  return createPostgresPublisher({
    system: { url, schema: 'tandem' },
    sinks: Object.entries(sinks).map(([sink, binding]) => ({ sink, binding })),
    scope: { pair: 'p', app, lane: 0, lanes: 1, tasks: ['in/0', 'in/1'] },
    clock,
    log: () => undefined,
    settings: { lockLimit_ms: 100, retry_ms: 10, followPoll_ms: 50, ...settings },
  });
}

/** JSON values by key to sink 0. */
export function rows(from: number, to: number, values: readonly (readonly [key: string | null, value: unknown])[]) {
  const outputs = values.map(([key, value]): NewOutput => ({
    sink: 0,
    partition: 0,
    key,
    value: value === null ? null : JSON.stringify(value),
    timestamp_ms: 1_700_000_000_000,
  }));
  return outputBatch([['in/0', from, to]], outputs);
}

/** Runs the statement in a transaction of another session that stays open until it is released. */
export async function holdLock(url: string, statement: string): Promise<() => Promise<void>> {
  let release: () => void = () => undefined;
  let held: () => void = () => undefined;
  const isHeld = new Promise<void>((resolve) => {
    held = resolve;
  });
  const ended = withClient(url, async (client) => {
    await client.query('BEGIN');
    await client.query(statement);
    await new Promise<void>((resolve) => {
      release = resolve;
      held();
    });
    await client.query('ROLLBACK');
  });
  await Promise.race([isHeld, ended]);
  return async () => {
    release();
    await ended;
  };
}
