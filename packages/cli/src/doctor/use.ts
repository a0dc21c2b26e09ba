// How a configuration uses each of its systems, in the form in which an adapter compares it with the system's limits.
import type { AppUse, SystemUse } from '../adapters.ts';
import type { Configuration } from '../configuration/load.ts';
import type { Choice } from '../configuration/schema.ts';

export function useOf(configuration: Configuration, adapter: string): SystemUse {
  const { coordinator, store, persistence, stateSync } = configuration;
  return {
    coordinator: coordinator.adapter === adapter ? coordinator.options : undefined,
    store: store.adapter === adapter ? store.options : undefined,
    apps: configuration.apps.map((app): AppUse => ({
      module: app.module,
      lanes: app.lanes,
      publishMaxBytes: app.publishMaxBytes,
      sources: boundTo(adapter, app.sources),
      sinks: boundTo(adapter, app.sinks),
    })),
    persistence,
    liveSync: stateSync.live,
  };
}

function boundTo(adapter: string, choices: Readonly<Record<string, Choice>>): Record<string, unknown> {
  const bound = Object.entries(choices).filter(([, choice]) => choice.adapter === adapter);
  return Object.fromEntries(bound.map(([name, { options }]) => [name, options]));
}
