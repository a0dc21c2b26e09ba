export { describeCoordinator, type CoordinatorWorld } from './coordinator.ts';
export { describeSnapshotStore, type SnapshotStoreWorld } from './snapshot-store.ts';
