export * from './configuration.ts';
export { Connection, openConnection, redactUrl, type ConnectionOptions } from './connection.ts';
export { examineServer, sessionsOf, type PostgresUse } from './examine.ts';
export { migrate } from './migrations/index.ts';
export { defaultSchema } from './schema.ts';
export {
  createPostgresCoordinator,
  createPostgresCoordinatorReader,
  type PostgresCoordinatorOptions,
} from './coordinator.ts';
export { createPostgresSnapshotStore, type PostgresSnapshotStoreOptions } from './snapshot-store.ts';
export * from './log-configuration.ts';
export { LogWriter, openLogWriter, type Appended, type LogWriterOptions, type RecordOptions } from './log-writer.ts';
export { createPostgresPublisher, type PublisherOptions, type PublisherSettings } from './publisher.ts';
export { forgetPublished, forgetReader, readPublished, type StoredPublisher } from './publisher-stored.ts';
export { heldLogs, highestFence, holdWhatIsThere, raiseEpoch } from './reset.ts';
export { createPostgresSource, type SourceOptions } from './source-log.ts';
