export type * from './description.ts';
export type * from './messages.ts';
