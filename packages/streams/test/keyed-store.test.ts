// The keyed store against a plain Map: any interleaving of changes, undone inputs, cuts drained in slices and restores.
import fc from 'fast-check';
import { InputLog } from '../src/input-log.ts';
import { KeyedStore } from '../src/keyed-store.ts';
import type { StoreCut } from '../src/runtime.ts';
import { applyInput, put, remove } from './support/keyed-changes.ts';

type Pairs = readonly (readonly [string, unknown])[];

function drainAll(cut: StoreCut): Pairs {
  const pairs: [string, unknown][] = [];
  const done = cut.drain(([key, value]) => pairs.push([String(key), value]) > 0);
  expect(done).toBe(true);
  return pairs;
}

function contents(store: KeyedStore): Pairs {
  const cut = store.openCut();
  const pairs = drainAll(cut);
  cut.close();
  return pairs;
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', '');
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: key, value: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ remove: key }) },
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ input: fc.array(change, { maxLength: 5 }), keep: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ drain: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant('open' as const) },
  { weight: 1, arbitrary: fc.constant('close' as const) },
);

test('a cut restores to what the store held when it was opened, in insertion order, whatever happens meanwhile', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const log = new InputLog();
      const store = new KeyedStore('s', log);
      let model = new Map<string, unknown>();
      let open: { cut: StoreCut; expected: Pairs; got: (readonly [string, unknown])[] } | undefined;

      for (const each of steps) {
        if (each === 'open') {
          open ??= { cut: store.openCut(), expected: [...model], got: [] };
        } else if (each === 'close') {
          open?.cut.close();
          open = undefined;
        } else if ('drain' in each) {
          if (open === undefined) continue;
          const { cut, expected, got } = open;
          let credit = each.drain;
          const done = cut.drain(([name, value]) => {
            got.push([String(name), value]);
            credit -= 1;
            return credit > 0;
          });
          if (!done) continue;
          expect(got).toEqual(expected);
          cut.close();
          open = undefined;
        } else {
          model = applyInput(store, log, model, each.input, each.keep);
        }
        expect(store.size).toBe(model.size);
        for (const name of ['a', 'd', '']) expect(store.find(name)?.value).toBe(model.get(name));
      }

      if (open !== undefined) {
        open.got.push(...drainAll(open.cut));
        expect(open.got).toEqual(open.expected);
        open.cut.close();
      }
      expect(contents(store)).toEqual([...model]);
      const copy = new KeyedStore('s', new InputLog());
      for (const pair of contents(store)) copy.restore(pair);
      expect(contents(copy)).toEqual([...model]);
    }),
    { numRuns: 2000 },
  );
});

test('a key that is deleted and put again during a cut is in the cut once, with its old value, at its old place', () => {
  const log = new InputLog();
  const store = new KeyedStore('s', log);
  for (const name of ['a', 'b', 'c']) store.insert(name, `${name}1`);
  log.forget();
  const cut = store.openCut();
  remove(store, 'b');
  log.forget();
  put(store, 'b', 'b2');
  log.forget();
  expect(drainAll(cut)).toEqual([
    ['a', 'a1'],
    ['b', 'b1'],
    ['c', 'c1'],
  ]);
  cut.close();
  expect(contents(store)).toEqual([
    ['a', 'a1'],
    ['c', 'c1'],
    ['b', 'b2'],
  ]);
});

test('a cut that is closed early leaves nothing behind once later inputs have passed', () => {
  const log = new InputLog();
  const store = new KeyedStore('s', log);
  for (let i = 0; i < 100; i += 1) store.insert(`k${i}`, i);
  log.forget();
  const cut = store.openCut();
  for (let i = 0; i < 100; i += 2) {
    remove(store, `k${i}`);
    put(store, `k${i + 1}`, -i);
  }
  log.forget();
  cut.close();
  for (let i = 0; i < 20; i += 1) log.forget();
  let linked = 0;
  for (let entry = store.first; entry !== undefined; entry = entry.next) {
    expect(entry.dead).toBe(false);
    expect(entry.kept).toBeUndefined();
    linked += 1;
  }
  expect(linked).toBe(50);
});

test('one cut at a time, and none is used after it was closed', () => {
  const store = new KeyedStore('s', new InputLog());
  const cut = store.openCut();
  expect(() => store.openCut()).toThrow('being cut already');
  cut.close();
  expect(() => cut.drain(() => true)).toThrow('is closed');
  store.openCut().close();
});

test.each([[['a']], [['a', undefined]], [[1, 2]], [['a', 1, 2]]])(
  'an entry that is not one is refused: %j',
  (entry) => {
    expect(() => {
      new KeyedStore('s', new InputLog()).restore(entry);
    }).toThrow('not an entry');
  },
);
