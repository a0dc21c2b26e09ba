export * from './vocabulary.ts';
export type * from './protocol.ts';
