// Plain data that MessagePack would not give back as it was: texts with half a surrogate pair (which JSON can spell out,
// and cutting a text can leave), since UTF-8 has no bytes for them; objects with such a text, or `__proto__`, for the
// name of a field. They are written as extensions of our own: everything that is kept comes back the same.
import { addExtension } from 'msgpackr';

/** Extension types of snapshots; part of the format. */
const extensions = { text: 1, fields: 2 } as const;

class OddText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

class OddFields {
  readonly fields: readonly (readonly [name: unknown, value: unknown])[];

  constructor(fields: readonly (readonly [name: unknown, value: unknown])[]) {
    this.fields = fields;
  }
}

addExtension({
  Class: OddText,
  type: extensions.text,
  pack: ({ text }: OddText) => Buffer.from(text, 'utf16le'),
  unpack: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf16le'),
});
addExtension({
  Class: OddFields,
  type: extensions.fields,
  write: ({ fields }: OddFields) => fields,
  // Defines them as own fields, which an assignment to `__proto__` would not.
  read: (fields: readonly (readonly [string, unknown])[]) => Object.fromEntries(fields),
});

/** Half a surrogate pair; String.prototype.isWellFormed is faster, but not known to ES2023. */
const isWellFormed: (text: string) => boolean =
  'isWellFormed' in String.prototype
    ? (text) => (text as string & { isWellFormed(): boolean }).isWellFormed()
    : (text) => !/\p{Surrogate}/u.test(text);

/** The same value where it can be written as it is, as it nearly always can; else one that can be, and comes back as it. */
export function writable(value: unknown): unknown {
  if (typeof value === 'string') return isWellFormed(value) ? value : new OddText(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  return Array.isArray(value) ? writableArray(value) : writableObject(value as Readonly<Record<string, unknown>>);
}

export function writableArray(values: readonly unknown[]): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    const written = writable(value);
    if (written !== value) (copy ??= [...values])[at] = written;
  }
  return copy ?? values;
}

function writableObject(object: Readonly<Record<string, unknown>>): unknown {
  let copy: Record<string, unknown> | undefined;
  for (const name in object) {
    if (name === '__proto__' || !isWellFormed(name)) {
      return new OddFields(Object.entries(object).map(([field, value]) => [writable(field), writable(value)]));
    }
    const value = object[name];
    const written = writable(value);
    if (written !== value) (copy ??= { ...object })[name] = written;
  }
  return copy ?? object;
}
