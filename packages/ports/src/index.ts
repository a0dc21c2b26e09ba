export * from './error.ts';
export * from './partitioner.ts';
export type * from './adapter.ts';
export type * from './clock.ts';
export type * from './coordinator.ts';
export type * from './publisher.ts';
export type * from './record.ts';
export type * from './snapshot-store.ts';
export type * from './source-log.ts';
