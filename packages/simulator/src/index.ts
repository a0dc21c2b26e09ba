export { MemoryCoordination, MemoryCoordinator, type MemoryCoordinationOptions } from './coordinator.ts';
export { MemoryRevisions } from './snapshot-store.ts';
