// What a user writes about sinks that are reached by HTTP, checked by these schemas; the configuration reference is made
// from them.
import { duration } from '@tandem/ports/configuration';
import { postgresLogSinkSchema, postgresSystemSchema } from '@tandem/postgres';
import { z } from 'zod';

export const httpSystemSchema = z
  .strictObject({
    positions: z
      .strictObject({ postgres: postgresSystemSchema })
      .describe('Where it is kept what has been published: HTTP itself cannot tell.'),
  })
  .describe('Sinks that are reached by HTTP requests (webhooks).');

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Ours, or those that say how the body is transferred. */
const reservedPattern =
  /^(tandem-.*|idempotency-key|content-type|content-length|transfer-encoding|connection|host|expect|upgrade)$/i;

const headers = z
  .record(
    z
      .string()
      .regex(tokenPattern, 'is no name of a header')
      .refine((name) => !reservedPattern.test(name), 'is a header that Tandem sets; use contentType for Content-Type'),
    z.string().regex(/^[\x20-\x7e]*$/, 'must be visible ASCII characters, without line breaks'),
  )
  .default({})
  .describe(
    'Headers that every request carries, for instance Authorization. Take secrets from the environment; they are never logged.',
  );

const limit = (least_ms: number, fallback: string) => duration({ least_ms, most_ms: 600_000 }).prefault(fallback);

export const httpSinkSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'must be a URL like https://host/path' })
      .describe('Where each output is sent, in a request of its own. Only scheme, host and port of it are logged.'),
    method: z.enum(['POST', 'PUT', 'PATCH']).default('POST').describe('Method of the requests.'),
    contentType: z
      .string()
      .regex(/^[\x20-\x7e]+$/, 'must be visible ASCII characters')
      .default('application/json')
      .describe('What the bodies are.'),
    headers,
    timeout: z
      .strictObject({
        connect: limit(10, '5s').describe('Longest wait for a connection.'),
        answer: limit(10, '30s').describe('Longest wait for an answer.'),
      })
      .prefault({})
      .describe('After these the request is sent again.'),
    retry: z
      .strictObject({
        first: limit(1, '200ms').describe('Wait before the second attempt; doubled each time, with jitter.'),
        most: limit(1, '30s').describe('Longest wait between two attempts, unless Retry-After asks for more.'),
      })
      .prefault({})
      .describe(
        'After network errors, time-outs and answers of 408, 429 and 5xx. It is tried for as long as it takes; nothing is dropped.',
      ),
    maxInFlight: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(8)
      .describe('Most requests at a time of each lane. One task has one at a time.'),
    deadLetter: postgresLogSinkSchema
      .optional()
      .describe(
        'Log, in the database of http.positions, for outputs that the receiver refuses for good. Without it the application fails at the first of them.',
      ),
  })
  .describe('Sends each output as an HTTP request.');

export type HttpSystem = z.infer<typeof httpSystemSchema>;
export type HttpSinkBinding = z.infer<typeof httpSinkSchema>;

/** Scheme, host and port: paths, queries and user names of webhooks are often secret. */
export function originOf(url: string): string {
  return new URL(url).origin;
}
