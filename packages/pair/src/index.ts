export * from './vocabulary.ts';
export type * from './protocol.ts';
export { initialState } from './initial-state.ts';
export { OutputQueue, QueueBudget } from './queue.ts';
export { QueueCursor, type QueueCut, type QueueSlice } from './queue-slice.ts';
export { step } from './step.ts';
export { ProtocolViolation } from './violation.ts';
