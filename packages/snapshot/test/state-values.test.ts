// Whatever plain data an app keeps comes back as it was: also what no encoding likes.
import fc from 'fast-check';
import { EntryWriter, readEntries } from '@tandem/snapshot';

function restored(entries: readonly (readonly unknown[])[]): unknown[] {
  const payloads: Uint8Array[] = [];
  const writer = new EntryWriter((payload) => payloads.push(payload.slice()));
  writer.begin(0);
  for (const entry of entries) writer.add(entry);
  writer.end();
  const back: unknown[] = [];
  for (const payload of payloads) readEntries(payload, (entry) => back.push(entry));
  return back;
}

/** Both halves of pairs, alone or in the wrong order, in short texts and in long ones. */
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'é', '\ud83d', '\ude00', '😀', '\u0000'), maxLength: 8 }),
  fc.string({ unit: fc.constantFrom('x', '\ud83d'), minLength: 60, maxLength: 200 }),
);
const fieldName = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toJSON', 'then', 'length', '0', 'id'));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      text,
      fc.double({ noNaN: false }).map((number) => (number === 0 ? 0 : number)),
      fc.boolean(),
    ),
    fc.constantFrom(
      null,
      undefined,
      2 ** 53,
      -1,
      2 ** 32,
      -(2 ** 31),
      5n,
      -1n,
      2n ** 53n,
      -(2n ** 63n),
      2n ** 64n,
      10n ** 30n,
    ),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fieldName, tie('value')), { maxLength: 4 })
      // As JSON.parse makes them: own fields, whatever their names.
      .map((fields) => Object.fromEntries(fields)),
  ),
}));

it('any plain data comes back the same', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, value, fc.nat()), { maxLength: 10 }), (entries) => {
      expect(restored(entries).map(shape)).toEqual(entries.map(shape));
    }),
    { numRuns: 300 },
  );
});

it.each([
  ['half a pair in a short text', '{"name":"caf\\ud83d"}'],
  ['half a pair in a long text', `{"name":"${'x'.repeat(100)}\\udc00"}`],
  ['half a pair in the name of a field', '{"a\\ud83d":1}'],
  ['a field __proto__', '{"__proto__":{"admin":true},"id":1}'],
  ['a field toJSON', '{"toJSON":true,"id":1}'],
  ['fields toJSON and constructor', '{"toJSON":"x","constructor":1}'],
])('%s in an input that is kept comes back', (_, json) => {
  const kept: unknown = JSON.parse(json);
  const [entry] = restored([['key', kept]]) as [unknown[]];
  expect(shape(entry[1])).toEqual(shape(kept));
});

/** With everything that is compared loosely, or not at all, made plain: fields in their order, code units of texts. */
function shape(of: unknown): unknown {
  if (typeof of === 'string') return ['text', ...Array.from({ length: of.length }, (_, at) => of.charCodeAt(at))];
  if (of === undefined) return ['undefined'];
  if (of instanceof Uint8Array) return ['bytes', ...of];
  if (Array.isArray(of)) return ['array', ...of.map(shape)];
  if (typeof of === 'object' && of !== null) {
    return ['object', ...Object.entries(of).map(([name, part]) => [shape(name), shape(part)])];
  }
  return of;
}
