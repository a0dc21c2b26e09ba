// The composition root: from a checked configuration to a running node. The only place that knows every adapter.
import path from 'node:path';
import { startNode, type AppOptions, type NodeHandle } from '@tandem/control';
import { bundleApp, describeApp, systemClock, type AppBundle, type AppDescription, type LaneSpec } from '@tandem/lane';
import { TandemError } from '@tandem/ports';
import type { Logger } from 'pino';
import { bindingMistakes } from './bindings.ts';
import { makeBundleFolder } from './bundle-folder.ts';
import type { LoadedUse } from './adapters.ts';
import type { AppConfiguration, Configuration } from './configuration/load.ts';
import type { Choice } from './configuration/schema.ts';
import { refuseLostCoordinator } from './lost-coordinator.ts';
import { negotiateTiming } from './negotiation.ts';
import { adapterNamed, contextOf, makeCoordinator, makeStore, storeCondition } from './systems.ts';

/** Longest run of processing before a lane's event loop gets its turn. */
const slice_ms = 10;

export interface LoadedApp {
  readonly configuration: AppConfiguration;
  readonly bundle: AppBundle;
  readonly description: AppDescription;
}

/**
 * Bundles and describes every app and checks what it is connected to.
 * @throws TandemError (blame: user) with one line per mistake.
 */
export async function loadApps(configuration: Configuration, folder: string): Promise<readonly LoadedApp[]> {
  const apps: LoadedApp[] = [];
  const mistakes: string[] = [];
  const loading = configuration.apps.map((app, index) => loadApp(app, path.join(folder, String(index))));
  for (const [index, outcome] of (await Promise.allSettled(loading)).entries()) {
    if (outcome.status === 'rejected') {
      const error: unknown = outcome.reason;
      if (!(error instanceof TandemError) || error.blame !== 'user') throw error;
      mistakes.push(configuration.mistake(['apps', index, 'module'], error.message));
      continue;
    }
    const app = outcome.value;
    mistakes.push(...bindingMistakes(configuration, index, app.description));
    if (apps.some((other) => other.description.app === app.description.app)) {
      const text = `is named '${app.description.app}', like another one of this pair. Give each app a name of its own`;
      mistakes.push(configuration.mistake(['apps', index], text));
    }
    apps.push(app);
  }
  if (mistakes.length > 0) throw new TandemError('app', mistakes.join('\n'), { blame: 'user' });
  return apps;
}

async function loadApp(app: AppConfiguration, folder: string): Promise<LoadedApp> {
  const bundle = await bundleApp({
    module: app.module,
    ...(app.exportName !== undefined && { exportName: app.exportName }),
    adapters: laneModules(app),
    outDir: folder,
  });
  return { configuration: app, bundle, description: await describeApp(bundle) };
}

/** By adapter name, the modules that are bundled into the app's lanes. */
function laneModules(app: AppConfiguration): string[] {
  const names = [...Object.values(app.sources), ...Object.values(app.sinks)].map(({ adapter }) => adapter);
  return [...new Set(names)].flatMap((name) => adapterNamed(name).laneModule ?? []);
}

/** One spec per lane; sinks on the same system share a publisher, so that one transaction writes them all. */
export function laneSpecs(configuration: Configuration, { configuration: app, description }: LoadedApp): LaneSpec[] {
  const sinks = Object.entries(app.sinks);
  const publishers = [...new Set(sinks.map(([, choice]) => choice.adapter))].map((adapter) => ({
    publisher: adapter,
    adapter,
    system: configuration.systems[adapter],
    sinks: sinks
      .filter(([, choice]) => choice.adapter === adapter)
      .map(([sink, choice]) => ({ sink, binding: choice.options })),
  }));
  const sources = Object.entries(app.sources).map(([source, choice]) => ({
    source,
    adapter: choice.adapter,
    system: configuration.systems[choice.adapter],
    binding: choice.options,
    startFrom: choice.startFrom,
  }));
  return Array.from({ length: app.lanes }, (_, lane) => ({
    pair: configuration.pair,
    app: description.app,
    lane,
    lanes: app.lanes,
    sources,
    publishers,
    queueLimit_bytes: Math.floor(app.queueLimit_bytes / app.lanes),
    publishMaxOutputs: app.publishMaxOutputs,
    publishMaxBytes: app.publishMaxBytes,
    inSyncLag_inputs: app.inSyncLag_inputs,
    slice_ms,
    digest: configuration.digest,
  }));
}

/** What each app has on that system. */
function usesOf(adapter: string, loaded: readonly LoadedApp[]): LoadedUse[] {
  const on = (choices: Readonly<Record<string, Choice>>): Record<string, unknown> => {
    const found = Object.entries(choices).filter(([, choice]) => choice.adapter === adapter);
    return Object.fromEntries(found.map(([name, { options }]) => [name, options]));
  };
  return loaded
    .map(({ configuration: { lanes, sources, sinks }, description: { app } }) => {
      return { app, lanes, sources: on(sources), sinks: on(sinks) };
    })
    .filter(({ sources, sinks }) => Object.keys(sources).length + Object.keys(sinks).length > 0);
}

/** Bundles, checks, prepares the systems and starts. The bundles live until the process exits. */
export async function runNode(configuration: Configuration, log: Logger): Promise<NodeHandle> {
  const { folder } = makeBundleFolder();
  const loaded = await loadApps(configuration, folder);
  for (const adapter of Object.keys(configuration.systems)) {
    await adapterNamed(adapter).prepare?.(contextOf(configuration, adapter), usesOf(adapter, loaded));
  }
  const condition = storeCondition(configuration);
  if (condition !== undefined) log.warn({ store: configuration.store.adapter }, condition);
  const timing = await negotiateTiming(configuration);
  if (timing !== undefined) log.warn({ coordinator: configuration.coordinator.adapter }, timing);
  await refuseLostCoordinator(
    configuration,
    loaded.map(({ description }) => description.app),
  );
  const apps: AppOptions[] = loaded.map((app) => ({
    description: app.description,
    bundle: app.bundle,
    lanes: laneSpecs(configuration, app),
  }));
  const { pair, node, stateSync, outputSync, persistence, link, switchover, lane } = configuration;
  return startNode({
    pair,
    node,
    coordinator: makeCoordinator(configuration),
    store: makeStore(configuration),
    apps,
    stateSync,
    outputSync,
    persistence,
    link,
    switchover,
    lane,
    clock: systemClock,
    log,
  });
}
