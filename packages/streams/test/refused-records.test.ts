// Records that an app refuses: halted or diverted, and in both cases as if they had never been applied.
import fc from 'fast-check';
import { z } from 'zod';
import {
  compileApp,
  defineApp,
  InputError,
  type InputRecord,
  json,
  raw,
  type StandardSchemaV1,
  testDriver,
  text,
  tumbling,
} from '@tandem/streams';

const Value = z.object({ n: z.int(), ts: z.int() });
const inner = { size: '10 milliseconds', grace: '5 milliseconds' } as const;

/** Throws on n = 13 after everything else has been done; n = 99 does not fit the sink. */
function app(policy: 'halt' | 'dead-letter') {
  return defineApp({
    name: 'refusing',
    version: 1,
    sources: { in: json(Value, { key: 'utf8', timestamp: ({ ts }) => ts, onInvalid: 'dead-letter' }) },
    sinks: { out: json(z.object({ key: z.string(), what: z.string(), n: z.int().lt(99) })), deadLetter: raw() },
    onError: policy,
    build(flow) {
      const all = flow.from('in');
      all
        .groupByKey()
        .aggregate('sums', { initial: 0, add: (sum, { n }) => (n === 0 ? undefined : sum + n) })
        .toStream()
        .map((n, ctx) => ({ key: ctx.key, what: 'sum', n: n % 50 }))
        .to('out');
      all
        .groupByKey()
        .windowedBy(tumbling(inner))
        .count('windows', { emit: 'on-close' })
        .toStream()
        .map(({ count }, ctx) => ({ key: ctx.key, what: `window to ${ctx.now}`, n: count }))
        .to('out');
      all
        .map(({ n }, ctx) => {
          if (n === 13) throw new Error('thirteen');
          return { key: ctx.key, what: 'value', n };
        })
        .to('out');
    },
  });
}

function thrownBy(run: () => void): Error {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Error) return thrown;
  }
  throw new Error('nothing was thrown');
}

const record = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  n: fc.constantFrom(0, 1, 2, 13, 99),
  ts: fc.integer({ min: 0, max: 60 }),
});

test('what is refused leaves no trace in state, windows, times or outputs', () => {
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 30 }),
      fc.constantFrom('halt' as const, 'dead-letter' as const),
      fc.constantFrom('after-each-input' as const, 'never' as const),
      (records, policy, restart) => {
        const driver = testDriver(app(policy), { restart });
        const clean = testDriver(app(policy));
        let refused = 0;
        for (const { key, n, ts } of records) {
          const bad = n === 13 || n === 99;
          const pipe = (): void => {
            driver.pipe('in', { n, ts }, { key });
          };
          if (bad && policy === 'halt') expect(pipe).toThrow(InputError);
          else pipe();
          if (bad) refused += 1;
          else clean.pipe('in', { n, ts }, { key });
        }
        const strip = (outputs: ReturnType<typeof driver.read<'out'>>): unknown[] =>
          outputs.map(({ key, value, timestamp_ms }) => ({ key, value, timestamp_ms }));
        expect(strip(driver.read('out'))).toEqual(strip(clean.read('out')));
        expect([...driver.state('sums')]).toEqual([...clean.state('sums')]);
        expect(driver.late).toBe(clean.late);
        expect(driver.deadLettered).toBe(policy === 'halt' ? 0 : refused);
      },
    ),
    { numRuns: 500 },
  );
});

test('halt says what, where and what to do', () => {
  const driver = testDriver(app('halt'));
  driver.pipe('in', { n: 1, ts: 1 }, { key: 'a' });
  const error = thrownBy(() => {
    driver.pipe('in', { n: 13, ts: 2 }, { key: 'a' });
  });
  expect(error).toMatchObject({
    name: 'InputError',
    code: 'app-threw',
    source: 'in',
    partition: 0,
    position: 1,
    message:
      "app 'refusing' cannot go past source 'in' partition 0 position 1: the app threw: thirteen " +
      "(correct the app, or divert such records with onError: 'dead-letter')",
  });
});

test('a dead letter is the record as it came, with its headers and why it is there', () => {
  const driver = testDriver(app('dead-letter'));
  driver.pipe('in', { n: 1, ts: 1 }, { key: 'a' });
  driver.pipeRaw('in', { key: 'k', value: '{"n":"x"}', timestamp_ms: 5, headers: ['trace', '17'] });
  driver.pipe('in', { n: 13, ts: 9 }, { key: 'a', timestamp_ms: 6 });
  const [invalid, threw] = driver.read('deadLetter');
  expect(invalid).toMatchObject({ key: 'k', timestamp_ms: 5, position: 1 });
  expect(Buffer.from(invalid?.value ?? '').toString()).toBe('{"n":"x"}');
  expect(invalid?.headers.slice(0, 4)).toEqual(['trace', '17', 'tandem.code', 'invalid-record']);
  expect(invalid?.headers.slice(6)).toEqual(['tandem.source', 'in', 'tandem.partition', '0', 'tandem.position', '1']);
  expect(threw?.headers.slice(0, 4)).toEqual(['tandem.code', 'app-threw', 'tandem.reason', 'thirteen']);
  expect(Buffer.from(threw?.value ?? '').toString()).toBe('{"n":13,"ts":9}');
  expect(driver.deadLettered).toBe(2);
});

test.each<[string, { key?: string | null; value: string | Uint8Array | null }, string]>([
  ['no JSON', { key: 'a', value: '{' }, 'its value is not json'],
  ['another shape', { key: 'a', value: '{"n":"1","ts":1}' }, 'does not fit the schema: n:'],
  ['no value', { key: 'a', value: null }, 'the value is null'],
  ['no key', { key: null, value: '{"n":1,"ts":1}' }, 'the key is null'],
  ['no UTF-8', { key: 'a', value: Uint8Array.of(0x22, 0xff, 0x22) }, 'the value is not UTF-8'],
])('a record with %s is invalid', (_, input, reason) => {
  const halting = defineApp({
    name: 'strict',
    version: 1,
    sources: { in: json(Value, { key: 'utf8' }) },
    sinks: { out: json(Value) },
    build: (flow) => {
      flow.from('in').to('out');
    },
  });
  const driver = testDriver(halting);
  const error = thrownBy(() => {
    driver.pipeRaw('in', input);
  });
  expect(error).toMatchObject({ code: 'invalid-record' });
  expect(error.message).toContain(reason);
  expect(driver.read('out')).toEqual([]);
});

test('a key that is not UTF-8 is invalid as soon as somebody looks at it', () => {
  const keyed = defineApp({
    name: 'keyed',
    version: 1,
    sources: { in: text({ key: 'utf8' }) },
    sinks: { out: json(z.int()) },
    build: (flow) => {
      flow.from('in').groupByKey().count('counts').toStream().to('out');
    },
  });
  const outputs: unknown[] = [];
  const task = compileApp(keyed).createTask('in', 0, {
    emit: () => outputs.push('emit'),
    emitWithInputKey: () => outputs.push('emit'),
    undoInput: () => outputs.push('undo'),
  });
  const input: InputRecord = {
    position: 0,
    timestamp_ms: 0,
    bytes: Buffer.of(0xff, 0x61),
    keyStart: 0,
    keyEnd: 1,
    valueStart: 1,
    valueEnd: 2,
    headers: () => undefined,
  };
  const error = thrownBy(() => {
    task.process(input);
  });
  expect(error).toMatchObject({ code: 'invalid-record' });
  expect(error.message).toContain('key is not UTF-8');
  expect(outputs).toEqual(['undo']);
});

test('a timestamp that is no whole number makes the record invalid', () => {
  const timed = defineApp({
    name: 'timed',
    version: 1,
    sources: { in: json(z.object({ ts: z.number() }), { timestamp: ({ ts }) => ts }) },
    sinks: { out: json(z.object({ ts: z.number() })) },
    build: (flow) => {
      flow.from('in').to('out');
    },
  });
  expect(() => {
    testDriver(timed).pipe('in', { ts: 1.5 });
  }).toThrow('not a whole number of milliseconds: 1.5');
});

test('a validator that answers later is refused, whatever the policy', () => {
  const later: StandardSchemaV1<number, number> = {
    '~standard': { version: 1, vendor: 'test', validate: (value) => Promise.resolve({ value: value as number }) },
  };
  const patient = defineApp({
    name: 'patient',
    version: 1,
    sources: { in: json(later, { onInvalid: 'dead-letter' }) },
    sinks: { out: json(z.number()), deadLetter: raw() },
    onError: 'dead-letter',
    build: (flow) => {
      flow.from('in').to('out');
    },
  });
  const error = thrownBy(() => {
    testDriver(patient).pipe('in', 1);
  });
  expect(error).toMatchObject({ code: 'async-schema' });
});

test('what the collector throws is neither the record’s fault nor the app’s', () => {
  const failing = (): never => {
    throw new Error('the queue is broken');
  };
  const topology = compileApp(app('dead-letter'));
  const task = topology.createTask('in', 0, { emit: failing, emitWithInputKey: failing, undoInput: failing });
  const bytes = Buffer.from('k{"n":1,"ts":1}');
  expect(() => {
    task.process({
      position: 0,
      timestamp_ms: 0,
      bytes,
      keyStart: 0,
      keyEnd: 1,
      valueStart: 1,
      valueEnd: bytes.length,
      headers: () => undefined,
    });
  }).toThrow('the queue is broken');
  expect(task.metrics.deadLettered).toBe(0);
});
