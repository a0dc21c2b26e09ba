// The external systems that a configuration names: their adapters, and what is made of them.
import { systemClock } from '@tandem/lane';
import type { View } from '@tandem/pair';
import type { Coordinator, SnapshotStore } from '@tandem/ports';
import { adapters, type Adapter, type SystemContext } from './adapters.ts';
import type { Configuration } from './configuration/load.ts';

export function adapterNamed(name: string): Adapter {
  const adapter = adapters.find((one) => one.name === name);
  if (adapter === undefined) throw new Error(`no adapter '${name}'`);
  return adapter;
}

export function contextOf(configuration: Configuration, adapter: string): SystemContext {
  const { pair, systems, store } = configuration;
  return {
    pair,
    system: systems[adapter],
    store: store.adapter === adapter ? store.options : undefined,
    clock: systemClock,
  };
}

/** A part of each external system in use, where it has that part. */
export function partsOf<Part>(
  configuration: Configuration,
  make: (adapter: Adapter, context: SystemContext) => Part | undefined,
): Part[] {
  return Object.keys(configuration.systems).flatMap(
    (name) => make(adapterNamed(name), contextOf(configuration, name)) ?? [],
  );
}

export function makeCoordinator(configuration: Configuration): Coordinator {
  const { adapter, options } = configuration.coordinator;
  const made = adapterNamed(adapter).coordinator?.create(contextOf(configuration, adapter), options);
  if (made === undefined) throw new Error(`${adapter} is no coordinator`);
  return made;
}

export function makeStore(configuration: Configuration): SnapshotStore {
  const { adapter, options } = configuration.store;
  const made = adapterNamed(adapter).store?.create(contextOf(configuration, adapter), options);
  if (made === undefined) throw new Error(`${adapter} is no snapshot store`);
  return made;
}

/** What has to be right about the store though nobody can check it. */
export function storeCondition({ store, stateSync }: Configuration): string | undefined {
  return adapterNamed(store.adapter).store?.condition?.(store.options, { liveSync: stateSync.live });
}

/** Asks without joining. @throws TandemError when it cannot be reached. */
export function lookAtPair(configuration: Configuration): Promise<View> {
  return makeCoordinator(configuration).readView();
}
