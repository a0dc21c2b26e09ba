// What a kind of fault is, and what it may touch. Kinds know nothing of time: when they come is the schedule's affair.
import type { Feed, Gate } from '@tandem/harness';
import type pg from 'pg';
import type { Disk } from '../disk.ts';
import type { Nodes } from '../nodes.ts';

export const stackNames = ['kafka', 'postgres'] as const;
export type StackName = (typeof stackNames)[number];

export type System = 'kafka' | 'zookeeper' | 'postgres';

/** The systems that a stack has. */
export const systemsOf: Readonly<Record<StackName, readonly System[]>> = {
  kafka: ['kafka', 'zookeeper', 'postgres'],
  postgres: ['postgres'],
};

/** Which of them decides who is active. */
export const coordinatorOf: Readonly<Record<StackName, System>> = { kafka: 'zookeeper', postgres: 'postgres' };

/** What only one fault at a time may hold. */
export type Resource = 'nodes' | 'link' | 'connections' | 'load' | System;

export type RoleName = 'active' | 'passive';

export interface Server {
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Again, on the same data and port; resolves when it serves. */
  start(): Promise<void>;
}

/** What a fault is inflicted on. */
export interface World {
  readonly stack: StackName;
  readonly nodes: Nodes;
  readonly feed: Feed;
  /** The file system of the output table; text says why it has none of its own. */
  readonly disk: Disk | string;
  /** The way from a node to a system, or of other nodes to this one. */
  gate(node: string, to: System | 'link'): Gate;
  server(system: System): Server;
  /** To the database of the output table, without a proxy; whoever asks ends it. */
  connect(): Promise<pg.Client>;
}

/** Ends the fault; resolves when what it broke works again, or is on its way to. */
export type Undo = () => Promise<void>;

export interface Fault {
  readonly name: string;
  /** The schedule draws one of them; what it means is the fault's affair. Empty where the stack has none. */
  targets(stack: StackName): readonly string[];
  /** How long it may stay, from least to most, ms. */
  readonly duration_ms: readonly [least: number, most: number];
  holds(target: string): readonly Resource[];
  /** Whether a role change of the active may follow from it. */
  explainsRoleChange(target: string, stack: StackName): boolean;
  /** @throws NotInjected when it could not be; then nothing has been done. */
  inject(world: World, target: string): Promise<Undo>;
}

/** The fault could not be inflicted, for a reason that is no fault of the pair. */
export class NotInjected extends Error {
  override readonly name = 'NotInjected';
}
