// Connects a lane to the systems that its app reads from and writes to, and works out its tasks.
import type { PublisherName, TaskId } from '@tandem/pair';
import {
  TandemError,
  toError,
  type LaneAdapter,
  type LaneContext,
  type Publisher,
  type SourceLog,
} from '@tandem/ports';
import type { Topology } from '@tandem/streams';
import { LaneFailure, toLaneFailure } from './failure.ts';
import type { AdapterUse, LaneSpec, PublisherUse, SourceUse } from './messages.ts';
import type { LaneRuntime } from './runtime.ts';
import { tasksOf, type PublisherLayout, type TaskIdentity } from './task.ts';
import { Retry, type Waiting } from './waiting.ts';

export interface ConnectedSource {
  readonly use: SourceUse;
  readonly log: SourceLog;
  readonly partitions: number;
}

export interface ConnectedPublisher {
  readonly name: PublisherName;
  readonly layout: PublisherLayout;
  /** Ready to be used; a driver that gives it up makes another by `create`. */
  readonly publisher: Publisher;
  readonly create: () => Promise<Publisher>;
}

export interface Systems {
  readonly topology: Topology;
  readonly sources: readonly ConnectedSource[];
  readonly publishers: readonly ConnectedPublisher[];
  /** Of the whole app. */
  readonly allTasks: readonly TaskIdentity[];
  /** Of this lane: every lanes-th partition. */
  readonly tasks: readonly TaskIdentity[];
}

export interface ConnectOptions {
  readonly spec: LaneSpec;
  readonly runtime: LaneRuntime;
  readonly context: LaneContext;
  readonly waiting: Waiting;
  /** Set when the lane is closing: stop trying. */
  readonly state: { readonly stopped: boolean };
  /** What keeps it from connecting; undefined when nothing does any more. */
  onTrouble(trouble: string | undefined): void;
  /** What was said last. */
  trouble(): string | undefined;
}

/** Checks that every source and sink of the app is bound, once. @throws LaneFailure. */
export function compileFor(spec: LaneSpec, runtime: LaneRuntime): Topology {
  let topology: Topology;
  try {
    topology = runtime.compile();
  } catch (thrown) {
    throw new LaneFailure('app-load', toError(thrown).message, { blame: 'user', cause: thrown });
  }
  const unbound = (what: string): LaneFailure => new LaneFailure('app-load', what, { blame: 'user' });
  for (const source of topology.sources) {
    if (!spec.sources.some((use) => use.source === source)) {
      throw unbound(`source '${source}' of app '${topology.app}' is bound to nothing; add it under its sources`);
    }
  }
  for (const sink of topology.sinks) {
    const times = spec.publishers.flatMap((use) => use.sinks).filter((use) => use.sink === sink).length;
    if (times !== 1) {
      throw unbound(
        `sink '${sink}' of app '${topology.app}' is bound ${String(times)} times; bind it once under its sinks`,
      );
    }
  }
  return topology;
}

/** Tries again, with growing pauses, whatever is not the user's mistake. @throws LaneFailure. */
export async function connectSystems(topology: Topology, options: ConnectOptions): Promise<Systems | undefined> {
  const sources: ConnectedSource[] = [];
  for (const source of topology.sources) {
    const use = options.spec.sources.find((other) => other.source === source);
    if (use === undefined) continue;
    const connected = await persist(options, 'source', () => connectSource(use, options));
    if (connected === undefined) return undefined;
    sources.push(connected);
  }
  const allTasks = tasksOf(sources.map(({ use, partitions }) => ({ source: use.source, partitions })));
  const tasks = allTasks.filter(({ partition }) => partition % options.spec.lanes === options.spec.lane);
  const publishers: ConnectedPublisher[] = [];
  for (const use of options.spec.publishers) {
    const ids = tasks.map(({ id }) => id);
    const connected = await persist(options, 'sink', () => connectPublisher(use, ids, options));
    if (connected === undefined) return undefined;
    publishers.push(connected);
  }
  return { topology, sources, publishers, allTasks, tasks };
}

/** Undefined when the lane was stopped meanwhile. */
export async function persist<T>(
  options: ConnectOptions,
  code: 'source' | 'sink',
  attempt: () => Promise<T>,
): Promise<T | undefined> {
  const retry = new Retry(options.runtime.clock, () => options.runtime.random());
  while (!options.state.stopped) {
    try {
      const result = await attempt();
      options.onTrouble(undefined);
      return result;
    } catch (thrown) {
      if (!(thrown instanceof TandemError) || thrown.blame === 'user') throw toLaneFailure(thrown, code);
      options.onTrouble(thrown.message);
      options.context.log('warn', thrown.message, { code: thrown.code });
      await retry.pause(options.waiting, options.state);
    }
  }
  return undefined;
}

async function connectSource(use: SourceUse, { runtime, context }: ConnectOptions): Promise<ConnectedSource> {
  const log = await adapterOf(use, runtime.adapters).createSource(use.system, use.binding, context);
  return { use, log, partitions: await log.partitions() };
}

async function connectPublisher(
  use: PublisherUse,
  tasks: readonly TaskId[],
  { spec, runtime, context }: ConnectOptions,
): Promise<ConnectedPublisher> {
  const { pair, app, lane, lanes } = spec;
  const sources = spec.sources.map(({ source, adapter, binding }) => ({ source, adapter, binding }));
  const scope = { pair, app, lane, lanes, tasks, sources };
  const create = (): Promise<Publisher> =>
    adapterOf(use, runtime.adapters).createPublisher(use.system, use.sinks, scope, context);
  const publisher = await create();
  const sinks = await publisher.layout();
  const layout = {
    publisher: use.publisher,
    sinks: use.sinks.map(({ sink }, index) => ({ sink, partitions: sinks[index]?.partitions ?? 1 })),
  };
  return { name: use.publisher, layout, publisher, create };
}

function adapterOf(use: AdapterUse, adapters: readonly LaneAdapter[]): LaneAdapter {
  const adapter = adapters.find(({ name }) => name === use.adapter);
  if (adapter === undefined) throw new Error(`adapter '${use.adapter}' is not in this bundle`);
  return adapter;
}

export async function closeSystems({ sources, publishers }: Systems): Promise<void> {
  await Promise.allSettled([
    ...publishers.map(({ publisher }) => publisher.close()),
    ...sources.map(({ log }) => log.close()),
  ]);
}
