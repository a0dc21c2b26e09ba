// Digests of stores: the same for the same content, however it came about, and another one for any other content.
import fc from 'fast-check';
import { InputLog } from '../src/input-log.ts';
import { KeyedStore } from '../src/keyed-store.ts';
import type { StateStore } from '../src/runtime.ts';
import { copyState } from '../src/state-guard.ts';
import { TimeStore } from '../src/time-store.ts';
import { WindowStore } from '../src/window-store.ts';
import { applyInput, put, remove } from './support/keyed-changes.ts';

type Pairs = readonly (readonly [string, unknown])[];

function keyed(log = new InputLog()): KeyedStore {
  const store = new KeyedStore('s', log);
  store.noteChanges();
  return store;
}

function windowed(log = new InputLog()): WindowStore {
  const store = new WindowStore('s', log);
  store.noteChanges();
  return store;
}

function holding(pairs: Pairs): KeyedStore {
  const log = new InputLog();
  const store = keyed(log);
  for (const [key, value] of pairs) {
    put(store, key, value);
    log.forget();
  }
  return store;
}

function digest(store: StateStore): string {
  const { high, low } = store.digest();
  return `${high} ${low}`;
}

/** What a snapshot and a restore make of it. */
function restored<Store extends StateStore>(from: StateStore, into: Store): Store {
  const cut = from.openCut();
  cut.drain((entry) => {
    into.restore(entry.map(copyState));
    return true;
  });
  cut.close();
  return into;
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', '');
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: key, value: fc.jsonValue() }) },
  { weight: 2, arbitrary: fc.record({ remove: key }) },
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ changes: fc.array(change, { maxLength: 5 }), keep: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant('digest' as const) },
  { weight: 1, arbitrary: fc.constant('cut' as const) },
);

test('a store that was changed, undone, cut, digested and emptied has the digest of one that was only filled', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const log = new InputLog();
      const store = keyed(log);
      let model = new Map<string, unknown>();
      for (const each of steps) {
        if (each === 'digest') {
          store.digest();
        } else if (each === 'cut') {
          store.openCut().close();
        } else {
          model = applyInput(store, log, model, each.changes, each.keep);
        }
      }
      const other = holding([...model].reverse());
      expect(digest(store)).toBe(digest(other));
      expect(digest(store)).toBe(digest(restored(store, keyed())));
      put(other, 'b', ['something', 'else']);
      expect(digest(store)).not.toBe(digest(other));
    }),
    { numRuns: 300 },
  );
});

test('windows that were opened, filled, emptied, dropped and undone have the digest of what is left', () => {
  const input = fc.record({
    start: fc.constantFrom(0, 10, 20, 1_700_000_000_000),
    key,
    value: fc.option(fc.nat(), { nil: undefined }),
    drop: fc.boolean(),
    keep: fc.boolean(),
    look: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(input, { maxLength: 60, size: 'max' }), (inputs) => {
      const log = new InputLog();
      const store = windowed(log);
      for (const { start, key, value, drop, keep, look } of inputs) {
        const { entries } = store.segment(start);
        if (value === undefined) remove(entries, key);
        else put(entries, key, value);
        if (drop) store.dropEarliest();
        if (keep) log.forget();
        else log.undo();
        if (look) store.digest();
      }
      expect(digest(restored(store, windowed()))).toBe(digest(store));
    }),
    { numRuns: 300 },
  );
});

describe('the digest of a store', () => {
  const pairs: Pairs = [
    ['a', { count: 1, sum: 2.5, tags: ['x', 'y'], last: null }],
    ['b', { count: 2, sum: 0, tags: [], last: 'z' }],
  ];

  it('is that of nothing while there is nothing', () => {
    const store = holding(pairs);
    remove(store, 'a');
    remove(store, 'b');
    expect(digest(store)).toBe(digest(keyed()));
  });

  it('does not know the order of keys', () => {
    expect(digest(holding(pairs.toReversed()))).toBe(digest(holding(pairs)));
  });

  it.each<readonly [string, unknown, unknown]>([
    ['a number', 1, 2],
    ['a number by very little', 0.1, 0.1 + 2 ** -56],
    ['a whole number and its text', 1, '1'],
    ['a large number', 2 ** 53 - 1, 2 ** 53 - 2],
    ['a number and none', 1, null],
    ['not a number and none', NaN, null],
    ['true and false', true, false],
    ['a letter', 'abc', 'abd'],
    ['where texts end', ['ab', 'c'], ['a', 'bc']],
    ['order in a list', [1, 2], [2, 1]],
    ['one in a list', [1], [1, 1]],
    ['a field', { a: 1 }, { b: 1 }],
    ['the order of fields', { a: 1, b: 2 }, { b: 2, a: 1 }],
    ['where an object ends', [{ a: {} }, { b: 1 }], [{ a: { b: 1 } }, {}]],
    ['two fields swapped', { a: 1, b: 2 }, { a: 2, b: 1 }],
    ['a list and what looks like it', ['x'], { 0: 'x' }],
    ['an empty object and an empty list', {}, []],
    ['depth', { a: { b: 1 } }, { a: 1, b: {} }],
    ['a byte', Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
    ['a bigint and its number', 7n, 7],
  ])('tells apart %s', (_, one, other) => {
    expect(digest(holding([['k', one]]))).not.toBe(digest(holding([['k', other]])));
  });

  it('tells keys apart, and which value belongs to which', () => {
    expect(digest(holding([['a', 1]]))).not.toBe(digest(holding([['b', 1]])));
    const swapped: Pairs = [
      ['a', 2],
      ['b', 1],
    ];
    expect(
      digest(
        holding([
          ['a', 1],
          ['b', 2],
        ]),
      ),
    ).not.toBe(digest(holding(swapped)));
  });

  it('takes for the same what a snapshot does not tell apart', () => {
    expect(digest(holding([['k', { a: -0 }]]))).toBe(digest(holding([['k', { a: 0, b: undefined }]])));
  });

  it('does not follow a value that contains itself for ever', () => {
    const value: Record<string, unknown> = { n: 1 };
    value['self'] = value;
    expect(digest(holding([['k', value]]))).toBe(digest(holding([['k', value]])));
  });

  it('tells windows apart, and a time from no time', () => {
    const one = windowed();
    put(one.segment(0).entries, 'k', 1);
    const other = windowed();
    put(other.segment(10).entries, 'k', 1);
    expect(digest(one)).not.toBe(digest(other));
    const time = new TimeStore('t', new InputLog());
    const none = digest(time);
    time.advance(0);
    expect(digest(time)).not.toBe(none);
  });

  it('cannot be begun half-way', () => {
    const store = new KeyedStore('s', new InputLog());
    store.insert('a', 1);
    expect(() => {
      store.noteChanges();
    }).toThrow(/not noted from the beginning/);
  });
});

/** Each is what it would be to forget to do something. */
describe('a mistake shows', () => {
  it('when a key changes without being noted', () => {
    const store = holding([['a', { n: 1 }]]);
    store.digest();
    const entry = store.find('a');
    if (entry === undefined) throw new Error('it is there');
    entry.value = { n: 2 };
    expect(digest(store)).not.toBe(digest(restored(store, keyed())));
  });
});
