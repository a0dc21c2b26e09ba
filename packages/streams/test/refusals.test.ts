// What is refused, by the compiler where it can, else when the app is built: with a code and a line that helps.
import { z } from 'zod';
import { compileApp, defineApp, type Flow, json, raw, text, TopologyError, tumbling } from '@tandem/streams';

const Value = z.object({ n: z.int() });
const sources = { in: json(Value, { key: 'utf8' }), other: json(Value, { key: 'utf8' }) };
const sinks = { out: json(Value), words: text() };

type AppFlow = Flow<typeof sources, typeof sinks>;

function built(build: (flow: AppFlow) => void): TopologyError | undefined {
  return refusal({ name: 'app', version: 1, sources, sinks, build });
}

function refusal(definition: Parameters<typeof defineApp<typeof sources, typeof sinks>>[0]): TopologyError | undefined {
  try {
    compileApp(defineApp(definition));
    return undefined;
  } catch (thrown) {
    if (thrown instanceof TopologyError) return thrown;
    throw thrown;
  }
}

/** Uses every source and sink, so that only the mistake at hand is left. */
function complete(flow: AppFlow): void {
  flow.from('in').to('out');
  flow
    .from('other')
    .map(({ n }) => String(n))
    .to('words');
}

test('a complete app is taken', () => {
  expect(built(complete)).toBeUndefined();
});

test('a name that is not declared', () => {
  expect(
    built((flow) => {
      // @ts-expect-error there is no such source
      flow.from('inn').to('out');
    }),
  ).toMatchObject({
    code: 'unknown-source',
    message: "source 'inn' is not declared: declare it in sources (there are: in, other)",
    blame: 'user',
  });
  expect(
    built((flow) => {
      // @ts-expect-error there is no such sink
      flow.from('in').to('aut');
    }),
  ).toMatchObject({
    code: 'unknown-sink',
    message: "sink 'aut' is not declared: declare it in sinks (there are: out, words)",
  });
});

test('a sink fed the wrong type does not compile', () => {
  built((flow) => {
    complete(flow);
    // @ts-expect-error objects into a text sink
    flow.from('in').to('words');
    flow
      .from('in')
      .map(({ n }) => ({ n: String(n) }))
      // @ts-expect-error n must be a number
      .to('out');
  });
});

test('operators see the schema’s types', () => {
  built((flow) => {
    complete(flow);
    // @ts-expect-error there is no such field
    flow.from('in').filter((value) => value.m > 0);
    flow
      .from('in')
      .groupByKey()
      // @ts-expect-error a total stays of its type
      .aggregate('s', { initial: 0, add: (total, value) => `${total}${value.n}` });
    flow.from('in').map((_, ctx) => {
      // @ts-expect-error the context is read-only
      ctx.now = 1;
      return ctx.key.length;
    });
  });
});

test.each<[string, (flow: AppFlow) => void]>([
  [
    'several-sources',
    (flow) => {
      flow.from('in').merge(flow.from('other')).to('out');
    },
  ],
  ['several-sources', (flow) => flow.from('in').join(flow.from('other'))],
  [
    'repartition-needed',
    (flow) =>
      flow
        .from('in')
        .selectKey(() => 'k')
        .groupByKey()
        .count('c'),
  ],
  ['repartition-needed', (flow) => flow.from('in').groupBy(() => 'k')],
  ['wall-clock-timer', (flow) => flow.every('10 seconds', () => 1)],
  ['bad-name', (flow) => flow.from('in').groupByKey().count('a/b')],
  ['bad-duration', () => tumbling({ size: '0 seconds' })],
  ['bad-duration', () => tumbling({ size: '1.5 seconds' })],
  [
    'unused-source',
    (flow) => {
      flow.from('in').to('out');
    },
  ],
  [
    'unused-sink',
    (flow) => {
      flow.from('in').to('out');
      flow.from('other').to('out');
    },
  ],
  [
    'duplicate-store',
    (flow) => {
      flow.from('in').groupByKey().count('same');
      flow
        .from('other')
        .groupByKey()
        .windowedBy(tumbling({ size: '1 minute' }))
        .count('same');
    },
  ],
])('%s', (code, build) => {
  const error = built(build);
  expect(error?.code).toBe(code);
  expect(error?.message).not.toContain('\n');
});

test('durations are checked by the compiler too', () => {
  // @ts-expect-error no such unit
  expect(() => tumbling({ size: '10 secs' })).toThrow("write a whole number and a unit, like '10 seconds'");
});

test('a source without a key cannot be grouped', () => {
  const app = defineApp({
    name: 'keyless',
    version: 1,
    sources: { in: json(Value) },
    sinks: { out: json(z.int()) },
    build(flow) {
      // @ts-expect-error the key is null
      flow.from('in').groupByKey().count('counts').toStream().to('out');
    },
  });
  expect(() => compileApp(app)).toThrow("it declares no key; add key: 'utf8'");
});

test.each([
  [{ name: 'a/b' }, 'bad-name'],
  [{ version: 0 }, 'bad-version'],
  [{ onError: 'dead-letter' as const }, 'dead-letter-sink'],
  [{ build: (flow: AppFlow) => Promise.resolve(flow).then(complete) }, 'async-build'],
])('%j is refused as %s', (change, code) => {
  expect(refusal({ name: 'app', version: 1, sources, sinks, build: complete, ...change })?.code).toBe(code);
});

test('dead letters need a raw sink, and a raw sink for them needs dead letters', () => {
  const define = (onInvalid: 'halt' | 'dead-letter', deadLetter: ReturnType<typeof raw> | ReturnType<typeof text>) =>
    defineApp({
      name: 'app',
      version: 1,
      sources: { in: json(Value, { onInvalid }) },
      sinks: { out: json(Value), deadLetter },
      build: (flow) => {
        flow.from('in').to('out');
      },
    });
  expect(() => compileApp(define('dead-letter', text()))).toThrow('declare a sink deadLetter: raw()');
  expect(() => compileApp(define('halt', raw()))).toThrow("set onInvalid or onError to 'dead-letter', or remove it");
  const { subTopologies } = compileApp(define('dead-letter', raw()));
  expect(subTopologies).toEqual([{ source: 'in', sinks: ['out', 'deadLetter'], stores: [] }]);
});

test('streams are of no use outside build()', () => {
  let kept: AppFlow | undefined;
  built((flow) => {
    kept = flow;
    complete(flow);
  });
  expect(() => kept?.from('in').map(({ n }) => n)).toThrow('only be used inside build()');
});

test('the topology hash is of the structure, not of the functions or the run', () => {
  const hashOf = (build: (flow: AppFlow) => void): string =>
    compileApp(defineApp({ name: 'app', version: 1, sources, sinks, build })).hash;
  const counting = (size: '1 minute' | '2 minutes', store: string, threshold: number) => (flow: AppFlow) => {
    complete(flow);
    flow
      .from('in')
      .filter(({ n }) => n > threshold)
      .groupByKey()
      .windowedBy(tumbling({ size }))
      .count(store);
  };
  const hash = hashOf(counting('1 minute', 'a', 1));
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
  expect(hash).toBe('12e483fbba21db13');
  expect(hashOf(counting('1 minute', 'a', 2))).toBe(hash);
  expect(hashOf(counting('2 minutes', 'a', 1))).not.toBe(hash);
  expect(hashOf(counting('1 minute', 'b', 1))).not.toBe(hash);
  expect(hashOf(complete)).not.toBe(hash);
});
