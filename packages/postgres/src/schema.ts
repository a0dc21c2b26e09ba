// The schema that Tandem keeps its tables in, as a checked and quoted name.
import { createHash } from 'node:crypto';
import { TandemError } from '@tandem/ports';

export const defaultSchema = 'tandem';
export const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/;

/** @throws TandemError `schema-name` for anything but a plain lower-case identifier. */
export function quoteSchema(schema: string): string {
  if (!schemaPattern.test(schema)) {
    throw new TandemError(
      'schema-name',
      `not a usable schema name: '${schema}'. Use lower-case letters, digits and underscores, at most 63.`,
      { blame: 'user' },
    );
  }
  return `"${schema}"`;
}

/** A key for an advisory lock: 64 bits as signed decimal text. Advisory locks are shared by all users of a database. */
export function lockKey(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readBigInt64BE().toString();
}

/** A NOTIFY channel for those parts; channel names are limited to 63 bytes. */
export function channelName(...parts: readonly string[]): string {
  return `tandem_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)}`;
}
