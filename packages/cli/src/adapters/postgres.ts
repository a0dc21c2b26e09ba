// PostgreSQL in all four parts: coordinator, snapshot store, sources and sinks.
import {
  createPostgresCoordinator,
  createPostgresSnapshotStore,
  examineServer,
  forgetPublished,
  forgetReader,
  heldLogs,
  highestFence,
  holdWhatIsThere,
  migrate,
  openConnection,
  postgresCoordinatorSchema,
  postgresSinkSchema,
  postgresSourceSchema,
  postgresStoreSchema,
  postgresSystemSchema,
  raiseEpoch,
  readPublished,
  type PostgresCoordinatorSettings,
  type PostgresSystem,
  type PostgresUse,
  type Connection,
} from '@tandem/postgres';
import { TandemError } from '@tandem/ports';
import { publisherName as httpPublisherName } from '@tandem/http';
import type { Adapter, PublishedState, SystemContext, SystemUse } from '../adapters.ts';
import { secretsInUrl } from '../configuration/secrets.ts';

const systemOf = (context: SystemContext): PostgresSystem => context.system as PostgresSystem;

export const postgres: Adapter = {
  name: 'postgres',
  system: postgresSystemSchema,
  laneModule: '@tandem/postgres/lane',
  source: postgresSourceSchema,
  sink: postgresSinkSchema,
  coordinator: {
    schema: postgresCoordinatorSchema,
    sessionTimeout_ms: (options) => (options as PostgresCoordinatorSettings).sessionTimeout,
    create(context, options) {
      const { url, schema } = systemOf(context);
      const { pair, clock } = context;
      const { sessionTimeout: sessionTimeout_ms } = options as PostgresCoordinatorSettings;
      return createPostgresCoordinator({ url, schema, pair, sessionTimeout_ms, clock });
    },
    raiseEpoch: (context, _options, epoch) => raiseEpoch(systemOf(context), context.pair, epoch),
  },
  store: {
    schema: postgresStoreSchema,
    create(context) {
      const { url, schema } = systemOf(context);
      return createPostgresSnapshotStore({ url, schema, pair: context.pair });
    },
  },
  prepare: (context) => preparePostgres(systemOf(context)),
  reach: (context) => reachPostgres(systemOf(context)),
  examine: (context, use) =>
    withConnection(systemOf(context), (connection) => examineServer(connection, connectionsFor(use))),
  // All but what another adapter keeps here.
  published: (context) => publishedIn(systemOf(context), context.pair, (publisher) => publisher !== httpPublisherName),
  inputs(context) {
    const system = systemOf(context);
    // As the lanes call themselves.
    const reader = (app: string): string => `${context.pair}/${app}`;
    return {
      read: async (app) => (await heldLogs(system, reader(app))).map((log) => `log ${log}`),
      keepAll: (app) => holdWhatIsThere(system, reader(app)),
      async release(app) {
        await forgetReader(system, reader(app));
      },
    };
  },
  secrets: (system) => [...secretsInUrl((system as PostgresSystem).url)],
};

/** Tables, in this database. */
export async function preparePostgres(system: PostgresSystem): Promise<void> {
  await withConnection(system, (connection) => migrate(connection, system.schema));
}

/** One line that says what was found there. @throws TandemError. */
export async function reachPostgres(system: PostgresSystem): Promise<string> {
  return await withConnection(system, (connection) => describeServer(connection, system.schema));
}

/** What is kept in this database of what has been published; only that of some publishers is shown. */
export function publishedIn(
  system: PostgresSystem,
  pair: string,
  isShown: (publisher: string) => boolean,
): PublishedState {
  return {
    highestEpoch: (app) => highestFence(system, pair, app),
    async read(app) {
      const stored = (await readPublished(system, pair, app)).filter(({ publisher }) => isShown(publisher));
      return stored.map(({ publisher, positions, epoch }) => {
        const shown = [...positions].map(([task, position]) => `${task}:${String(position)}`).join(' ');
        const fence = epoch === undefined ? 'no fence' : `fence of epoch ${String(epoch)}`;
        return `what ${publisher} has published, and its ${fence}: ${shown}`;
      });
    },
    async forget(app) {
      await forgetPublished(system, pair, app);
    },
  };
}

async function withConnection<T>({ url }: PostgresSystem, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await openConnection({ url, role: 'tool' });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

function connectionsFor({ coordinator, store, apps }: SystemUse): PostgresUse {
  const count = (bound: Readonly<Record<string, unknown>>): number => Object.keys(bound).length;
  return {
    isCoordinator: coordinator !== undefined,
    isStore: store !== undefined,
    apps: apps.map(({ lanes, sources, sinks }) => ({ lanes, sources: count(sources), sinks: count(sinks) })),
  };
}

async function describeServer(connection: Connection, schema: string): Promise<string> {
  const { rows } = await connection.query<{ version: string; standby: boolean; present: boolean; may_create: boolean }>(
    `SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby,
       to_regnamespace(quote_ident($1)) IS NOT NULL AS present,
       has_database_privilege(current_database(), 'CREATE') AS may_create`,
    [schema],
  );
  const found = rows[0];
  const at = connection.target;
  if (found === undefined) throw new TandemError('postgres-unusable', `PostgreSQL at ${at} does not say what it is`);
  if (found.standby) {
    throw new TandemError('postgres-standby', `PostgreSQL at ${at} is a standby. Connect to the primary`, {
      blame: 'user',
    });
  }
  if (!found.present && !found.may_create) {
    const text = `schema '${schema}' does not exist in PostgreSQL at ${at}, and this user may not create it. Create it, or grant CREATE on the database`;
    throw new TandemError('postgres-rights', text, { blame: 'user' });
  }
  const state = found.present ? `schema ${schema}` : `schema ${schema} will be made at the first start`;
  return `PostgreSQL ${found.version} at ${at}, ${state}`;
}
