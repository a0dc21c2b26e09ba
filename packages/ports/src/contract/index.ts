export { describeCoordinator, type CoordinatorWorld } from './coordinator.ts';
export { describeSnapshotStore, type SnapshotStoreWorld } from './snapshot-store.ts';
export {
  describePublisher,
  outputBatch,
  type NewOutput,
  type PublisherWorld,
  type WrittenRecord,
} from './publisher.ts';
export { describeSourceLog, type NewRecord, type SourceLogWorld } from './source-log.ts';
