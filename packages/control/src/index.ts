export type * from './api.ts';
export type * from './options.ts';
