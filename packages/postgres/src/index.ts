export * from './configuration.ts';
export { Connection, openConnection, redactUrl, type ConnectionOptions } from './connection.ts';
export { migrate } from './migrations/index.ts';
export { defaultSchema } from './schema.ts';
export {
  createPostgresCoordinator,
  createPostgresCoordinatorReader,
  type PostgresCoordinatorOptions,
} from './coordinator.ts';
