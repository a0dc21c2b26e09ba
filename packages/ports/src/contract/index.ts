export { describeCoordinator, type CoordinatorWorld } from './coordinator.ts';
export { describeSnapshotStore, type SnapshotStoreWorld } from './snapshot-store.ts';
export { outputBatch, restOf, type NewOutput } from './output-batch.ts';
export { clock, until } from './real-time.ts';
export { describePublisher, describeUnfencedPublisher, type PublisherWorld, type WrittenRecord } from './publisher.ts';
export { describeSourceLog, type NewRecord, type SourceLogWorld } from './source-log.ts';
