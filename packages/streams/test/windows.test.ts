// Windowed operators against a naive reference, and their state through snapshots.
import fc from 'fast-check';
import { z } from 'zod';
import { defineApp, json, testDriver, tumbling } from '@tandem/streams';
import { InputLog } from '../src/input-log.ts';
import { WindowStore } from '../src/window-store.ts';

const Reading = z.object({ ts: z.int(), amount: z.int() });
const size = 10;

function windowApp(grace: 0 | 7, emit: 'on-update' | 'on-close') {
  return defineApp({
    name: 'windows',
    version: 1,
    sources: { in: json(Reading, { key: 'utf8', timestamp: ({ ts }) => ts }) },
    sinks: { out: json(z.object({ key: z.string(), now: z.int(), start: z.int(), end: z.int(), value: z.int() })) },
    build(flow) {
      flow
        .from('in')
        .groupByKey()
        .windowedBy(tumbling({ size: `${size} milliseconds`, grace: `${grace} milliseconds` }))
        .aggregate('sums', { initial: 0, add: (total, { amount }) => total + amount, emit })
        .toStream()
        .map((result, ctx) => ({ key: ctx.key, now: ctx.now, ...result }))
        .to('out');
    },
  });
}

interface Input {
  readonly key: string;
  readonly ts: number;
  readonly amount: number;
}

/** Looks at everything again for every input. */
function reference(inputs: readonly Input[], grace: number, emit: 'on-update' | 'on-close') {
  const outputs: object[] = [];
  const open = new Map<number, Map<string, number>>();
  let late = 0;
  let time = -Infinity;
  for (const { key, ts, amount } of inputs) {
    time = Math.max(time, ts);
    for (const start of [...open.keys()].sort((a, b) => a - b)) {
      if (start + size + grace > time) continue;
      const end = start + size;
      for (const [each, value] of open.get(start) ?? []) {
        if (emit === 'on-close') outputs.push({ key: each, now: end - 1, start, end, value });
      }
      open.delete(start);
    }
    const start = Math.floor(ts / size) * size;
    if (start + size + grace <= time) {
      late += 1;
      continue;
    }
    const window = open.get(start) ?? new Map<string, number>();
    open.set(start, window);
    const value = (window.get(key) ?? 0) + amount;
    window.set(key, value);
    if (emit === 'on-update') outputs.push({ key, now: ts, start, end: start + size, value });
  }
  return { outputs, late };
}

const inputs = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c'), ts: fc.integer({ min: -30, max: 90 }), amount: fc.nat(9) }),
  { maxLength: 40 },
);

test('windows give what a naive reference gives, with and without a restart after each input', () => {
  fc.assert(
    fc.property(
      inputs,
      fc.constantFrom(0 as const, 7 as const),
      fc.constantFrom('on-update' as const, 'on-close' as const),
      fc.constantFrom('after-each-input' as const, 'never' as const),
      (records, grace, emit, restart) => {
        const driver = testDriver(windowApp(grace, emit), { restart });
        for (const { key, ts, amount } of records) driver.pipe('in', { ts, amount }, { key });
        const expected = reference(records, grace, emit);
        expect(driver.values('out')).toEqual(expected.outputs);
        expect(driver.late).toBe(expected.late);
      },
    ),
    { numRuns: 500 },
  );
});

test('what a window puts out on close carries its key and its last millisecond', () => {
  const driver = testDriver(windowApp(0, 'on-close'));
  driver.pipe('in', { ts: 3, amount: 1 }, { key: 'a' });
  driver.pipe('in', { ts: 4, amount: 2 }, { key: 'b' });
  expect(driver.read('out')).toEqual([]);
  driver.pipe('in', { ts: 10, amount: 4 }, { key: 'c' });
  expect(driver.read('out').map(({ key, timestamp_ms, position }) => ({ key, timestamp_ms, position }))).toEqual([
    { key: 'a', timestamp_ms: 9, position: 2 },
    { key: 'b', timestamp_ms: 9, position: 2 },
  ]);
});

test('each partition has its own time', () => {
  const driver = testDriver(windowApp(0, 'on-close'));
  driver.pipe('in', { ts: 3, amount: 1 }, { key: 'a', partition: 0 });
  driver.pipe('in', { ts: 50, amount: 1 }, { key: 'b', partition: 1 });
  driver.pipe('in', { ts: 4, amount: 1 }, { key: 'a', partition: 0 });
  expect(driver.read('out')).toEqual([]);
  expect(driver.late).toBe(0);
});

const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ start: fc.nat(5), key: fc.constantFrom('a', 'b'), value: fc.nat() }) },
  { weight: 2, arbitrary: fc.constant('drop' as const) },
  { weight: 2, arbitrary: fc.constant('undo' as const) },
  { weight: 3, arbitrary: fc.constant('forget' as const) },
  { weight: 2, arbitrary: fc.constant('drain' as const) },
  { weight: 1, arbitrary: fc.constant('open' as const) },
);

function rows(model: ReadonlyMap<number, ReadonlyMap<string, unknown>>): unknown[] {
  const starts = [...model.keys()].sort((a, b) => a - b);
  return starts.flatMap((start) => [...(model.get(start) ?? [])].map(([key, value]) => [start, key, value]));
}

function copyOf(model: ReadonlyMap<number, ReadonlyMap<string, unknown>>): Map<number, Map<string, unknown>> {
  return new Map([...model].map(([start, entries]) => [start, new Map(entries)]));
}

test('a cut of a window store still sees windows that closed, and an undone input leaves no trace', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const log = new InputLog();
      const store = new WindowStore('w', log);
      let committed = new Map<number, Map<string, unknown>>();
      let model = copyOf(committed);
      let open: { cut: ReturnType<WindowStore['openCut']>; expected: unknown[]; got: unknown[] } | undefined;
      for (const each of operations) {
        if (each === 'drop') {
          const { earliest } = store;
          if (earliest === undefined) continue;
          model.delete(earliest.start);
          store.dropEarliest();
        } else if (each === 'undo') {
          log.undo();
          model = copyOf(committed);
        } else if (each === 'forget') {
          log.forget();
          committed = copyOf(model);
        } else if (each === 'open' || each === 'drain') {
          // A lane cuts and drains between inputs only.
          log.forget();
          committed = copyOf(model);
          if (each === 'open') open ??= { cut: store.openCut(), expected: rows(model), got: [] };
          else open?.cut.drain((entry) => (open?.got.push(entry) ?? 0) % 2 === 0);
        } else {
          const { entries } = store.segment(each.start);
          const entry = entries.find(each.key);
          if (entry === undefined) entries.insert(each.key, each.value);
          else entries.replace(entry, each.value);
          const window = model.get(each.start) ?? new Map<string, unknown>();
          model.set(each.start, window.set(each.key, each.value));
        }
        expect(store.size).toBe(rows(model).length);
      }
      log.forget();
      if (open !== undefined) {
        const { cut, expected, got } = open;
        expect(cut.drain((entry) => got.push(entry) > 0)).toBe(true);
        expect(got).toEqual(expected);
        cut.close();
      }
      const copy = new WindowStore('w', new InputLog());
      const all = store.openCut();
      all.drain((entry) => {
        copy.restore(entry);
        return true;
      });
      all.close();
      const got: unknown[] = [];
      copy.openCut().drain((entry) => got.push(entry) > 0);
      expect(got).toEqual(rows(model));
    }),
    { numRuns: 1000 },
  );
});
