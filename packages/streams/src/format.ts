// How records of a source or sink are written: codec, schema, key, time, and what to do with those that do not fit.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidRecord, TopologyError } from './errors.ts';

/** Bytes to values and back, without any checking of what the values are. */
export interface Codec<Value> {
  /** Part of the topology's identity, for instance `json`. */
  readonly name: string;
  /** Throws for bytes it cannot read; the record is then invalid. The bytes are only valid during the call. */
  decode(bytes: Buffer, start: number, end: number): Value;
  encode(value: Value): string | Uint8Array;
}

/** What to do with a record that cannot be decoded or does not fit its schema. */
export type OnInvalid = 'halt' | 'dead-letter';

/** `utf8`: every record has a key and it is text. `none`: keys are carried along, not looked at. */
export type KeyFormat = 'utf8' | 'none';

export interface FormatOptions<Value, Key extends KeyFormat> {
  /** Default `none`. Needed for `groupByKey` and `ctx.key`. */
  readonly key?: Key;
  /** The record's time in ms, from its value; default: the time that the source gives it. */
  readonly timestamp?: (value: Value) => number;
  /** Default `halt`. */
  readonly onInvalid?: OnInvalid;
}

/**
 * As a source, records are decoded, then checked: the app sees `Read`. As a sink, the app hands over `Write`, which
 * is checked, then encoded. With a schema that transforms nothing the two are the same.
 */
export interface Format<Read, Write, Key extends string | null> {
  readonly codec: Codec<unknown>;
  readonly schema: StandardSchemaV1 | undefined;
  readonly key: KeyFormat;
  readonly timestamp: ((value: never) => number) | undefined;
  readonly onInvalid: OnInvalid;
  /** Only for the type checker. */
  readonly types?: { readonly read: Read; readonly write: Write; readonly key: Key };
}

export type AnyFormat = Format<unknown, unknown, string | null>;
export type KeyOf<Key extends KeyFormat> = Key extends 'utf8' ? string : null;

/** JSON, checked by any synchronous validator that speaks Standard Schema (zod, valibot, ...). */
export function json<Schema extends StandardSchemaV1, Key extends KeyFormat = 'none'>(
  schema: Schema,
  options: FormatOptions<StandardSchemaV1.InferOutput<Schema>, Key> = {},
): Format<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>, KeyOf<Key>> {
  return formatOf(jsonCodec, schema, options);
}

/** UTF-8 text. */
export function text<Key extends KeyFormat = 'none'>(
  options: FormatOptions<string, Key> = {},
): Format<string, string, KeyOf<Key>> {
  return formatOf(textCodec, undefined, options);
}

/** Bytes as they are. The form of the `deadLetter` sink. */
export function raw<Key extends KeyFormat = 'none'>(
  options: FormatOptions<Uint8Array, Key> = {},
): Format<Uint8Array, Uint8Array, KeyOf<Key>> {
  return formatOf(rawCodec, undefined, options);
}

/** A codec of the author's own, for instance for Protocol Buffers. */
export function encoded<Value, Key extends KeyFormat = 'none'>(
  codec: Codec<Value>,
  options: FormatOptions<Value, Key> = {},
): Format<Value, Value, KeyOf<Key>> {
  return formatOf(codec, undefined, options);
}

function formatOf<Value, Key extends KeyFormat>(
  codec: Codec<Value>,
  schema: StandardSchemaV1 | undefined,
  options: FormatOptions<Value, Key>,
): Format<never, never, never> {
  return {
    codec,
    schema,
    key: options.key ?? 'none',
    timestamp: options.timestamp,
    onInvalid: options.onInvalid ?? 'halt',
  };
}

/** @throws InvalidRecord for bytes that are not UTF-8: two different keys must never become the same text. */
export function decodeUtf8(bytes: Buffer, start: number, end: number, what: string): string {
  const decoded = bytes.toString('utf8', start, end);
  // Bytes that are not UTF-8 decode to U+FFFD; a record may also hold that character itself.
  if (decoded.includes('\uFFFD') && !Buffer.from(decoded).equals(bytes.subarray(start, end))) {
    throw new InvalidRecord(`the ${what} is not UTF-8`);
  }
  return decoded;
}

const jsonCodec: Codec<unknown> = {
  name: 'json',
  decode(bytes, start, end) {
    const value: unknown = JSON.parse(decodeUtf8(bytes, start, end, 'value'));
    return value;
  },
  encode(value) {
    // Undefined for what has no JSON form, whatever its declared type says.
    const encodedText: unknown = JSON.stringify(value);
    if (typeof encodedText !== 'string') throw new TypeError(`a value of type ${typeof value} has no JSON form`);
    return encodedText;
  },
};

const textCodec: Codec<string> = {
  name: 'text',
  decode: (bytes, start, end) => decodeUtf8(bytes, start, end, 'value'),
  encode: (value) => value,
};

const rawCodec: Codec<Uint8Array> = {
  name: 'raw',
  decode: (bytes, start, end) => Uint8Array.prototype.slice.call(bytes, start, end),
  encode: (value) => value,
};

/** @throws TopologyError for a validator that answers with a promise. */
export function validate(schema: StandardSchemaV1, value: unknown, what: string): StandardSchemaV1.Result<unknown> {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    throw new TopologyError(
      'async-schema',
      `${what}: its schema checks asynchronously; use only synchronous checks and transforms`,
    );
  }
  return result;
}

/** The first few issues on one line. */
export function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  const lines = issues.slice(0, 3).map(({ message, path }) => {
    const where = path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return where === undefined || where === '' ? message : `${where}: ${message}`;
  });
  if (issues.length > lines.length) lines.push(`and ${issues.length - lines.length} more`);
  return lines.join('; ');
}
