// Sinks that are reached by HTTP requests; what has been published is kept in PostgreSQL.
import {
  httpSinkSchema,
  httpSystemSchema,
  originOf,
  publisherName,
  type HttpSinkBinding,
  type HttpSystem,
} from '@tandem/http';
import type { DoctorFinding } from '@tandem/ports';
import type { PostgresSystem } from '@tandem/postgres';
import type { Adapter, SystemContext } from '../adapters.ts';
import { secretsInUrl } from '../configuration/secrets.ts';
import { isLoopback } from '../configuration/load.ts';
import { preparePostgres, publishedIn, reachPostgres } from './postgres.ts';

const positionsOf = ({ system }: SystemContext): PostgresSystem => (system as HttpSystem).positions.postgres;

/** Headers that somebody could make use of. */
const secretHeader = /auth|key|token|secret|pass|cookie|signature|credential/i;

export const http: Adapter = {
  name: publisherName,
  system: httpSystemSchema,
  laneModule: '@tandem/http/lane',
  sink: httpSinkSchema,
  prepare: (context) => preparePostgres(positionsOf(context)),
  reach: async (context) => `positions in ${await reachPostgres(positionsOf(context))}`,
  published: (context) => publishedIn(positionsOf(context), context.pair, (publisher) => publisher === publisherName),
  examine(_context, { apps }) {
    const sinks = apps.flatMap((app) => Object.entries(app.sinks) as (readonly [string, HttpSinkBinding])[]);
    return Promise.resolve(sinks.flatMap(([sink, binding]) => openSecrets(sink, binding)));
  },
  secrets: (system) => [...secretsInUrl((system as HttpSystem).positions.postgres.url)],
  sinkSecrets(options) {
    const { url, headers } = options as HttpSinkBinding;
    const values = Object.entries(headers).flatMap(([name, value]) => (secretHeader.test(name) ? [value] : []));
    // What follows a scheme, as in `Bearer ...`, is one by itself.
    return [...secretsInUrl(url), ...values, ...values.flatMap((value) => value.split(' ').slice(1))];
  },
  describeSink(options) {
    const { method, url } = options as HttpSinkBinding;
    return `${method} ${originOf(url)}`;
  },
};

function openSecrets(sink: string, { url, headers }: HttpSinkBinding): DoctorFinding[] {
  const { protocol, hostname } = new URL(url);
  const carried = Object.keys(headers).filter((name) => secretHeader.test(name));
  if (protocol === 'https:' || carried.length === 0 || isLoopback(hostname.replace(/^\[|\]$/g, ''))) return [];
  return [
    {
      level: 'warning',
      what: `sink '${sink}' sends ${carried.join(', ')} to ${originOf(url)} unencrypted`,
      why: 'whoever listens on the way can use it',
      todo: 'use https',
    },
  ];
}
