// From a file to a checked configuration. Every mistake becomes one line: <file>:<line>: <path>: what. what to do.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { TandemError, toError } from '@tandem/ports';
import type { Adapter } from '../adapters.ts';
import { budgetFindings, graceFindings, pingOf } from './budget.ts';
import {
  readDocument,
  showPath,
  type ConfigurationDocument,
  type Environment,
  type Finding,
  type Path,
} from './document.ts';
import { findingsOf, fitToSchema } from './findings.ts';
import { configurationSchema, type CheckedSections, type Choice, type SourceChoice } from './schema.ts';
import { hide, secretsIn } from './secrets.ts';

export interface AppConfiguration {
  /** Absolute. */
  readonly module: string;
  readonly exportName: string | undefined;
  readonly lanes: number;
  readonly queueLimit_bytes: number;
  readonly publishMaxOutputs: number;
  readonly publishMaxBytes: number;
  readonly inSyncLag_inputs: number;
  readonly sources: Readonly<Record<string, SourceChoice>>;
  readonly sinks: Readonly<Record<string, Choice>>;
}

export interface Configuration {
  /** As given on the command line. */
  readonly file: string;
  readonly pair: string;
  readonly node: {
    readonly id: string;
    readonly listen: { readonly host: string; readonly port: number };
    readonly advertise: string | undefined;
    readonly token: string | undefined;
  };
  /** Checked section of each external system that is used, by adapter. */
  readonly systems: Readonly<Record<string, unknown>>;
  readonly coordinator: Choice;
  readonly store: Choice;
  readonly stateSync: { readonly live: boolean; readonly retry_ms: number; readonly grace_ms: number };
  readonly digest: { readonly every_inputs: number; readonly interval_ms: number };
  readonly outputSync: { readonly interval_ms: number };
  readonly persistence: { readonly interval_ms: number; readonly keep: number };
  readonly link: { readonly ping_ms: number };
  readonly switchover: { readonly limit_ms: number };
  readonly lane: {
    readonly answerLimit_ms: number;
    readonly restartBackoff_ms: number;
    readonly maxRestarts: number;
    /** Undefined: what Node gives a thread. */
    readonly heapLimit_bytes?: number;
  };
  readonly logLevel: CheckedSections['logging']['level'];
  readonly apps: readonly AppConfiguration[];
  /** Values that must never be shown. */
  readonly secrets: readonly string[];
  /** A user's mistake at this place of the file, as one line. */
  mistake(at: Path, text: string): string;
}

/** @throws TandemError `configuration` (blame: user), one line per mistake. */
export function loadConfiguration(file: string, environment: Environment, adapters: readonly Adapter[]): Configuration {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new TandemError('configuration', `${file}: ${unreadable(error)}`, { blame: 'user', cause: error });
  }
  return parseConfiguration(file, text, environment, adapters);
}

function unreadable(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  const todo = 'Name the configuration with --config or in TANDEM_CONFIG';
  if (code === 'ENOENT') return `there is no such file. ${todo}`;
  if (code === 'EISDIR') return `is a folder. ${todo}`;
  return `cannot be read: ${toError(error).message}. ${todo}`;
}

/** As `loadConfiguration`, with the text at hand. `file` is only for messages and for paths relative to it. */
export function parseConfiguration(
  file: string,
  text: string,
  environment: Environment,
  adapters: readonly Adapter[],
): Configuration {
  const document = readDocument(text, environment);
  const secrets = [...secretsIn(document.value)];
  const show = ({ line, path: at, text: what }: Finding): string => {
    const place = at.length === 0 ? '' : `${showPath(at)}: `;
    return hide(`${file}:${String(line)}: ${place}${what.replaceAll('\n', ' ')}`, secrets);
  };
  const refuse = (findings: readonly Finding[]): never => {
    const lines = findings.toSorted((a, b) => a.line - b.line).map(show);
    throw new TandemError('configuration', [...new Set(lines)].join('\n'), { blame: 'user' });
  };
  if (document.findings.length > 0 && document.value === undefined) return refuse(document.findings);
  if (document.value === null || typeof document.value !== 'object' || Array.isArray(document.value)) {
    const what = 'must hold keys like pair, node and apps. Start from config/tandem.postgres.yaml';
    return refuse([...document.findings, { line: 1, path: [], text: what }]);
  }

  const schema = configurationSchema(adapters);
  const result = schema.safeParse(fitToSchema(schema, document));
  if (document.findings.length > 0 || !result.success) {
    // What came of a missing variable is not worth a second complaint at the same place.
    const known = new Set(document.findings.map((finding) => showPath(finding.path)));
    const found = result.success ? [] : findingsOf(result.error.issues, schema, document);
    return refuse([...document.findings, ...found.filter((finding) => !known.has(showPath(finding.path)))]);
  }
  const sections = result.data;
  const findings = [
    ...missingSystems(sections, adapters, document),
    ...openDoors(sections, document),
    ...budgetFindings(sections, adapters, document),
    ...graceFindings(sections, document),
  ];
  if (findings.length > 0) return refuse(findings);

  for (const adapter of adapters) {
    const system = sections[adapter.name];
    if (system !== undefined) secrets.push(...(adapter.secrets?.(system) ?? []));
    const sinks = sections.apps
      .flatMap((app) => Object.values(app.sinks))
      .filter((sink) => sink.adapter === adapter.name);
    secrets.push(...sinks.flatMap(({ options }) => adapter.sinkSecrets?.(options) ?? []));
  }
  return {
    ...fromSections(file, sections, adapters),
    secrets,
    mistake: (at, what) => show({ line: document.lineOf(at), path: at, text: what }),
  };
}

/** The adapters in use, each with the first place that names it. */
function usedAdapters(sections: CheckedSections): Map<string, Path> {
  const used = new Map<string, Path>();
  const use = (choice: Choice, at: Path): void => {
    if (!used.has(choice.adapter)) used.set(choice.adapter, at);
  };
  use(sections.coordinator, ['coordinator']);
  use(sections.store, ['store']);
  sections.apps.forEach((app, index) => {
    for (const [source, choice] of Object.entries(app.sources)) use(choice, ['apps', index, 'sources', source]);
    for (const [sink, choice] of Object.entries(app.sinks)) use(choice, ['apps', index, 'sinks', sink]);
  });
  return used;
}

function missingSystems(
  sections: CheckedSections,
  adapters: readonly Adapter[],
  document: ConfigurationDocument,
): Finding[] {
  const withSection = new Set(adapters.filter(({ system }) => system !== undefined).map(({ name }) => name));
  return [...usedAdapters(sections)]
    .filter(([adapter]) => withSection.has(adapter) && sections[adapter] === undefined)
    .map(([adapter, at]) => ({
      line: document.lineOf(at),
      path: at,
      text: `uses ${adapter}, but nothing says how to reach it. Add a section '${adapter}'`,
    }));
}

/** Whether only processes of this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function openDoors({ node }: CheckedSections, document: ConfigurationDocument): Finding[] {
  const findings: Finding[] = [];
  const { host } = node.listen;
  const at: Path = ['node', 'listen'];
  if (!isLoopback(host) && node.token === undefined) {
    const text = `${host} can be reached from other machines, so a token is needed. Set node.token to a secret of at least 16 characters, the same on both nodes`;
    findings.push({ line: document.lineOf(at), path: at, text });
  }
  if ((host === '0.0.0.0' || host === '::') && node.advertise === undefined) {
    const text = `${host} is no address that the other node could connect to. Set node.advertise to the URL of this node`;
    findings.push({ line: document.lineOf(at), path: at, text });
  }
  return findings;
}

function fromSections(
  file: string,
  sections: CheckedSections,
  adapters: readonly Adapter[],
): Omit<Configuration, 'secrets' | 'mistake'> {
  const folder = path.dirname(path.resolve(file));
  const used = usedAdapters(sections);
  const systems = adapters.filter(({ name }) => used.has(name)).map(({ name }) => [name, sections[name]] as const);
  const { node, stateSync, digest, outputSync, persistence, switchover, lane, logging } = sections;
  return {
    file,
    pair: sections.pair,
    node: { id: node.id, listen: node.listen, advertise: node.advertise, token: node.token },
    systems: Object.fromEntries(systems),
    coordinator: sections.coordinator,
    store: sections.store,
    stateSync: { live: stateSync.live, retry_ms: stateSync.retry, grace_ms: stateSync.grace },
    digest: { every_inputs: digest.every, interval_ms: digest.interval },
    outputSync: { interval_ms: outputSync.interval },
    persistence: { interval_ms: persistence.interval, keep: persistence.keep },
    link: { ping_ms: pingOf(sections, adapters) },
    switchover: { limit_ms: switchover.limit },
    lane: {
      answerLimit_ms: lane.answerLimit,
      restartBackoff_ms: lane.restartBackoff,
      maxRestarts: lane.maxRestarts,
      ...(lane.heapLimit !== undefined && { heapLimit_bytes: lane.heapLimit }),
    },
    logLevel: logging.level,
    apps: sections.apps.map((app) => ({
      module: path.resolve(folder, app.module),
      exportName: app.export,
      lanes: app.lanes,
      queueLimit_bytes: app.queue.limit,
      publishMaxOutputs: app.publish.maxOutputs,
      publishMaxBytes: app.publish.maxBytes,
      inSyncLag_inputs: app.inSyncLag,
      sources: app.sources,
      sinks: app.sinks,
    })),
  };
}
