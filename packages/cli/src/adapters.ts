// What an adapter brings to a node, and the list of adapters there are. A new one is a file in adapters/ and a line here.
import type { Epoch } from '@tandem/pair';
import type { Clock, Coordinator, DoctorFinding, SnapshotStore } from '@tandem/ports';
import type * as z from 'zod';
import { files } from './adapters/files.ts';
import { http } from './adapters/http.ts';
import { kafka } from './adapters/kafka.ts';
import { postgres } from './adapters/postgres.ts';
import { zookeeper } from './adapters/zookeeper.ts';

/** What the parts of a node that speak to an external system are made from. */
export interface SystemContext {
  readonly pair: string;
  /** The system's own section, as its schema left it. */
  readonly system: unknown;
  /** What the section `store` says, where this system is the store. */
  readonly store: unknown;
  readonly clock: Clock;
}

/** What has been published of an app in one external system, for tools. */
export interface PublishedState {
  /** The highest epoch that has opened a publisher of it there. */
  highestEpoch(app: string): Promise<Epoch | undefined>;
  /** One line per thing that would be forgotten, for people. */
  read(app: string): Promise<readonly string[]>;
  /** `tandem reset --republish`. */
  forget(app: string): Promise<void>;
}

/** How a configuration uses a system: what `tandem doctor` holds against the system's own limits. */
export interface SystemUse {
  /** Options of the coordinator, where the system is it; so with the store. */
  readonly coordinator: unknown;
  readonly store: unknown;
  readonly apps: readonly AppUse[];
  readonly persistence: { readonly interval_ms: number; readonly keep: number };
  readonly liveSync: boolean;
}

/** The sources and sinks that an app has on the system, by name. */
export interface AppUse {
  /** As in the file; the app's own name is only known once it is loaded. */
  readonly module: string;
  readonly lanes: number;
  readonly publishMaxBytes: number;
  readonly sources: Readonly<Record<string, unknown>>;
  readonly sinks: Readonly<Record<string, unknown>>;
}

/** What an app that has been loaded has on the system. */
export interface LoadedUse {
  readonly app: string;
  readonly lanes: number;
  /** Options by name, as the adapter's schemas left them. */
  readonly sources: Readonly<Record<string, unknown>>;
  readonly sinks: Readonly<Record<string, unknown>>;
}

/** What keeps records of input logs from being deleted, on behalf of an app. */
export interface InputHold {
  /** What is held, for people: `log orders`. */
  read(app: string): Promise<readonly string[]>;
  /** Holds all that is there, until the app has stored a revision again. */
  keepAll(app: string): Promise<void>;
  release(app: string): Promise<void>;
}

export interface Adapter {
  /** Its key in the configuration, and the name of the publisher that writes an app's sinks on this system. */
  readonly name: string;
  /** Undefined: it has no section of its own; all that there is to say is said where it is used. */
  readonly system?: z.ZodType;
  /** The module that exports `laneAdapter`, bundled into the lanes that use it; undefined: neither sources nor sinks. */
  readonly laneModule?: string;
  readonly source?: z.ZodType;
  readonly sink?: z.ZodType;
  readonly coordinator?: {
    readonly schema: z.ZodType;
    /** Asked for. */
    sessionTimeout_ms(options: unknown): number;
    /** What the system gives when that is asked for; missing: just that. @throws TandemError as `reach`. */
    negotiate?(context: SystemContext, options: unknown): Promise<number>;
    /** Until it joins it only looks: the view and the app records can be read, and records deleted. */
    create(context: SystemContext, options: unknown): Coordinator;
    /** Where the pair's epoch is lower it becomes this one, and nobody is active: for one that lost what it knew. */
    raiseEpoch(context: SystemContext, options: unknown, epoch: Epoch): Promise<void>;
  };
  readonly store?: {
    readonly schema: z.ZodType;
    create(context: SystemContext, options: unknown): SnapshotStore;
    /** What has to be right though nobody can check it; undefined where there is nothing. */
    condition?(options: unknown, use: { readonly liveSync: boolean }): string | undefined;
  };
  /**
   * Makes what is needed there (tables, folders, topics), and checks what only the whole of an app tells; harmless to
   * repeat. `apps`: those that have sources or sinks there. @throws TandemError.
   */
  prepare?(context: SystemContext, apps: readonly LoadedUse[]): Promise<void>;
  /** One line that says what was found there. @throws TandemError where it cannot be reached or used. */
  reach(context: SystemContext): Promise<string>;
  /** Compares how it is used with what the system allows, for `tandem doctor`. @throws TandemError as `reach`. */
  examine?(context: SystemContext, use: SystemUse): Promise<readonly DoctorFinding[]>;
  published?(context: SystemContext): PublishedState;
  inputs?(context: SystemContext): InputHold;
  /** Values that must never be shown, of the system's section and of one sink. */
  secrets?(system: unknown): readonly string[];
  sinkSecrets?(options: unknown): readonly string[];
  /** A sink in a few words; missing: all of its options. */
  describeSink?(options: unknown): string;
}

export const adapters: readonly Adapter[] = [postgres, kafka, zookeeper, http, files];
