// What a user writes about sources and sinks in PostgreSQL, checked by these schemas.
import { z } from 'zod';
import { logNamePattern } from './log-name.ts';

const logName = z
  .string()
  .regex(logNamePattern, "must be letters, digits, '.', '_' or '-', at most 48")
  .describe('Name of the log. Its records are in the table log_<name> of the schema.');

const create = z
  .strictObject({
    partitions: z.int().min(1).max(1024).describe('Number of partitions of the new log; fixed for good.'),
  })
  .optional()
  .describe('Makes the log when it is missing; without it a missing log is an error.');

export const postgresSourceSchema = z
  .strictObject({ log: logName, create })
  .describe('Reads a log that is kept in PostgreSQL.');

const columnName = z.string().min(1);

export const postgresLogSinkSchema = z
  .strictObject({ log: logName, create })
  .describe('Appends to a log that is kept in PostgreSQL.');

export const postgresTableSinkSchema = z
  .strictObject({
    table: z.string().min(1).describe('Table that exists already, with its schema unless it is on the search path.'),
    columns: z
      .record(z.string().min(1), columnName)
      .refine((columns) => Object.keys(columns).length > 0, 'must name at least one column')
      .describe(
        'Which field goes to which column. `key` is the record key, `timestamp` the record time, any other name a field of the value (`value.key` for one that is called key).',
      ),
    upsert: z
      .array(columnName)
      .min(1)
      .optional()
      .describe('Columns of a unique index: a row with the same values is replaced. Without it rows are only added.'),
  })
  .describe('Writes to a table of yours, one row per record, in the same transaction as the published position.');

export const postgresSinkSchema = z.union([postgresLogSinkSchema, postgresTableSinkSchema]);

export type PostgresSourceBinding = z.infer<typeof postgresSourceSchema>;
export type PostgresLogSinkBinding = z.infer<typeof postgresLogSinkSchema>;
export type PostgresTableSinkBinding = z.infer<typeof postgresTableSinkSchema>;
export type PostgresSinkBinding = z.infer<typeof postgresSinkSchema>;
