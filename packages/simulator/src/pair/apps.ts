// The apps of simulated pairs. Between them: state that outlives everything, several outputs of one input, none, and
// outputs that come of time.
import { defineApp, json, tumbling, type App, type StandardSchemaV1 } from '@tandem/streams';

function anything<T>(): StandardSchemaV1<T, T> {
  return { '~standard': { version: 1, vendor: 'simulator', validate: (value) => ({ value: value as T }) } };
}

export interface Input {
  readonly n: number;
  /** Makes the app `brittle` throw. */
  readonly breaks?: boolean;
}

interface Total {
  readonly count: number;
  readonly sum: number;
  readonly last: number;
}

const add = (total: Total, input: Input): Total => ({
  count: total.count + 1,
  sum: (total.sum * 31 + input.n) % 1_000_003,
  last: input.n,
});

/** What makes an app on one node compute something else than on the other, once. */
export interface Flaw {
  isDue: boolean;
}

export const flawless: Flaw = { isDue: false };

/** One output per input, up to two more, and counts when windows close. */
export function totals(flaw: Flaw): App {
  const flawed = (total: Total, input: Input): Total => {
    const right = add(total, input);
    if (!flaw.isDue) return right;
    flaw.isDue = false;
    return { ...right, sum: right.sum + 1 };
  };
  return defineApp({
    name: 'totals',
    version: 1,
    sources: { in: json(anything<Input>(), { key: 'utf8' }) },
    sinks: { sums: json(anything<Total>()), bursts: json(anything<string>()), windows: json(anything<object>()) },
    build(flow) {
      const inputs = flow.from('in').filter(({ n }) => n % 5 !== 4);
      const sums = inputs
        .groupByKey()
        .aggregate<Total>('sums', { initial: { count: 0, sum: 0, last: 0 }, add: flawed })
        .toStream();
      sums.to('sums');
      sums.flatMap(({ sum, last }) => (last % 3 === 0 ? [`a ${sum}`, `b ${sum}`] : [])).to('bursts');
      inputs
        .groupByKey()
        .windowedBy(tumbling({ size: '500 milliseconds', grace: '100 milliseconds' }))
        .count('windows', { emit: 'on-close' })
        .toStream()
        .to('windows');
    },
  });
}

/** Those that have no fence where a scenario says so. */
export const unfencedSinks: ReadonlySet<string> = new Set(['bursts']);

/** Throws at inputs that say so, on every node that reads them. */
export const brittle: App = defineApp({
  name: 'brittle',
  version: 1,
  sources: { in: json(anything<Input>(), { key: 'utf8' }) },
  sinks: { checked: json(anything<Total>()) },
  build(flow) {
    flow
      .from('in')
      .map((input) => {
        if (input.breaks === true) throw new Error('this input breaks it');
        return input;
      })
      .groupByKey()
      .aggregate<Total>('sums', { initial: { count: 0, sum: 0, last: 0 }, add })
      .toStream()
      .to('checked');
  },
});
