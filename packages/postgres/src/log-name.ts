// A log's name and what follows from it: its table and the channel on which appends are announced.
import { TandemError } from '@tandem/ports';
import { quoteSchema } from './schema.ts';

export const logNamePattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,47}$/;

/** Names and the schema fit for SQL text: quoted identifiers and a quoted literal. */
export interface LogNames {
  readonly schema: string;
  readonly name: string;
  /** `'orders'` */
  readonly literal: string;
  /** `"tandem"."log_orders"` */
  readonly table: string;
  readonly channel: string;
}

/** @throws TandemError `log-name`. */
export function logNames(schema: string, name: string): LogNames {
  if (!logNamePattern.test(name)) {
    throw new TandemError(
      'log-name',
      `not a usable log name: '${name}'. Use letters, digits, '.', '_' and '-', at most 48, beginning with a letter or digit.`,
      { blame: 'user' },
    );
  }
  const quoted = quoteSchema(schema);
  return { schema: quoted, name, literal: `'${name}'`, table: `${quoted}."log_${name}"`, channel: `log:${name}` };
}
