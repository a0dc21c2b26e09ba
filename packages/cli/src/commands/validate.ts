// tandem validate: everything that `tandem run` would check, without starting anything.
import { toError } from '@tandem/ports';
import { makeBundleFolder } from '../bundle-folder.ts';
import { loadApps, type LoadedApp } from '../composition.ts';
import type { Configuration } from '../configuration/load.ts';
import { hide } from '../configuration/secrets.ts';
import { negotiateTiming } from '../negotiation.ts';
import { adapterNamed, contextOf, storeCondition } from '../systems.ts';
import { configurationOf, type TargetOptions } from '../targets.ts';
import type { Terminal } from '../terminal.ts';

export interface ValidateOptions extends TargetOptions {
  /** Do not connect to anything. */
  readonly offline?: boolean;
}

export async function validate(options: ValidateOptions, terminal: Terminal): Promise<number> {
  const configuration = configurationOf(options, terminal);
  const { pair, node, coordinator, store } = configuration;
  terminal.out(`configuration ${configuration.file}: pair ${pair}, node ${node.id}\n`);
  terminal.out(`  coordinator: ${coordinator.adapter}, store: ${store.adapter}\n`);
  const condition = storeCondition(configuration);
  if (condition !== undefined) terminal.out(`  note: ${condition}\n`);

  const bundles = makeBundleFolder();
  try {
    for (const app of await loadApps(configuration, bundles.folder)) terminal.out(showApp(app));
  } finally {
    bundles.remove();
  }
  if (options.offline === true) {
    terminal.out('ok; nothing was connected to (--offline)\n');
    return 0;
  }
  const reached = await reachAll(configuration, terminal);
  if (reached) terminal.out('ok\n');
  return reached ? 0 : 1;
}

function showApp({ configuration: app, description, bundle }: LoadedApp): string {
  const lanes = app.lanes === 1 ? '1 lane' : `${String(app.lanes)} lanes`;
  const { app: name, version, topologyHash } = description;
  const lines = [
    `app ${name} version ${String(version)}: ${lanes}, topology ${topologyHash}, code ${bundle.hash.slice(0, 12)}`,
    ...Object.entries(app.sources).map(([source, { adapter, options, startFrom }]) => {
      const from = typeof startFrom === 'string' ? startFrom : new Date(startFrom.time_ms).toISOString();
      return `  source ${source}: ${adapter} ${showOptions(options)}, from ${from}`;
    }),
    ...Object.entries(app.sinks).map(
      ([sink, { adapter, options }]) => `  sink ${sink}: ${adapter} ${showSink(adapter, options)}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function showSink(adapter: string, options: unknown): string {
  return adapterNamed(adapter).describeSink?.(options) ?? showOptions(options);
}

function showOptions(options: unknown): string {
  if (typeof options !== 'object' || options === null) return '';
  return Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

async function reachAll(configuration: Configuration, terminal: Terminal): Promise<boolean> {
  let all = true;
  for (const name of Object.keys(configuration.systems)) {
    const ask = () => adapterNamed(name).reach(contextOf(configuration, name));
    all = (await tell(name, ask, configuration, terminal)) && all;
  }
  return all && (await tell('coordinator', () => negotiateTiming(configuration), configuration, terminal));
}

/** False when there was no answer, or one that will not do. */
async function tell(
  what: string,
  ask: () => Promise<string | undefined>,
  { secrets }: Configuration,
  terminal: Terminal,
): Promise<boolean> {
  try {
    const found = await ask();
    if (found !== undefined) terminal.out(`${what}: ${hide(found, secrets)}\n`);
    return true;
  } catch (error) {
    terminal.error(`tandem: ${hide(toError(error).message, secrets)}\n`);
    return false;
  }
}
