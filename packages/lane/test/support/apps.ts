// Small apps for lanes in memory, and what they must put out.
import { defineApp, json, raw, type App, type StandardSchemaV1 } from '@tandem/streams';

function anything<T>(isValid: (value: unknown) => boolean = () => true): StandardSchemaV1<T, T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => (isValid(value) ? { value: value as T } : { issues: [{ message: 'not a number' }] }),
    },
  };
}

const numbers = anything<number>((value) => typeof value === 'number');

interface Running {
  readonly value: number;
  readonly count: number;
  readonly sum: number;
}

/** Two outputs for each input: the order and the boundaries of inputs both show. */
export const running = defineApp({
  name: 'running',
  version: 1,
  sources: { in: json(numbers, { key: 'utf8' }) },
  sinks: { out: json(anything<Running | string>()) },
  build(flow) {
    const totals = flow
      .from('in')
      .groupByKey()
      .aggregate<Running>('totals', {
        initial: { value: 0, count: 0, sum: 0 },
        add: (total, value) => ({ value, count: total.count + 1, sum: total.sum + value }),
      })
      .toStream();
    totals.to('out');
    totals.map((total) => `after ${total.value}`).to('out');
  },
}) as unknown as App;

/** What `running` puts out for one partition's values under one key. */
export function runningOutputs(values: readonly number[]): string[] {
  let sum = 0;
  return values.flatMap((value, index) => {
    sum += value;
    return [JSON.stringify({ value, count: index + 1, sum }), JSON.stringify(`after ${value}`)];
  });
}

/** Takes everything, puts out nothing. */
export const silent = defineApp({
  name: 'silent',
  version: 1,
  sources: { in: raw() },
  sinks: { out: raw() },
  build(flow) {
    flow
      .from('in')
      .filter(() => false)
      .to('out');
  },
}) as unknown as App;

/** Each input goes to two sinks as it is. */
export const forked = defineApp({
  name: 'forked',
  version: 1,
  sources: { in: json(numbers, { key: 'utf8' }) },
  sinks: { left: json(anything<number>()), right: json(anything<number>()) },
  build(flow) {
    const values = flow.from('in');
    values.to('left');
    values.to('right');
  },
}) as unknown as App;
