export { startNode, type NodeEnd, type NodeHandle } from './node.ts';
export type * from './api.ts';
export type * from './options.ts';
