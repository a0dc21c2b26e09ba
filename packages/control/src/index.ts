export { startNode, type NodeEnd, type NodeHandle } from './node.ts';
export type * from './api.ts';
export type * from './options.ts';
export type { NodeLog } from './log.ts';
export type * from './network.ts';
export type { Compression, NodeParts } from './node-parts.ts';
