// What a user writes about PostgreSQL, checked by these schemas; the configuration reference is made from them.
import { duration } from '@tandem/ports/configuration';
import { z } from 'zod';
import { defaultSchema, schemaPattern } from './schema.ts';

export const postgresSystemSchema = z
  .strictObject({
    url: z
      .string()
      .regex(/^(postgres|postgresql|socket):\/\//, 'must begin with postgres://')
      .describe(
        'Where the database is: postgres://user:password@host:5432/database. Connect to the primary and not through a pooler that shares sessions. Shown only without its password.',
      ),
    schema: z
      .string()
      .regex(schemaPattern, 'must be lower-case letters, digits and underscores, at most 63')
      .default(defaultSchema)
      .describe('Schema that Tandem keeps its own tables in; made at the first start.'),
  })
  .describe('A PostgreSQL database, version 14 or newer.');

export const postgresCoordinatorSchema = z
  .strictObject({
    sessionTimeout: duration({ least_ms: 200, most_ms: 60_000 })
      .prefault('1s')
      .describe(
        'How long a node that hangs or is cut off stays a member, from 200ms to 60s. A process that dies is noticed at once.',
      ),
  })
  .describe('Coordinates the pair through PostgreSQL.');

export const postgresStoreSchema = z.strictObject({}).describe('Keeps snapshots in PostgreSQL.');

export type PostgresSystem = z.infer<typeof postgresSystemSchema>;
export type PostgresCoordinatorSettings = z.infer<typeof postgresCoordinatorSchema>;
