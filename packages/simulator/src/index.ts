export { MemoryCoordination, MemoryCoordinator, type MemoryCoordinationOptions } from './coordinator.ts';
export { MemoryEndpoint, UnfencedMemoryPublisher } from './unfenced-publisher.ts';
export { MemoryRevisions } from './snapshot-store.ts';
export { MemoryPublisher, MemorySinks, type MemorySinksOptions } from './publisher.ts';
export { MemoryLog, MemorySource, type MemoryLogOptions, type MemoryRecord } from './source-log.ts';
export { SimulatedProcess, VirtualTime, type ProcessState } from './virtual-time.ts';
export { directWire, instantWire, type Wire } from './wire.ts';
