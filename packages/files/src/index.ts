export { filesStoreSchema, type FilesStore } from './configuration.ts';
export { reachFolder } from './reach.ts';
export { createFilesSnapshotStore, type FilesSnapshotStoreOptions } from './snapshot-store.ts';
